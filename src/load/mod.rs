//! Files into the model: inventory and runbooks, every error positioned, all of them at once.
