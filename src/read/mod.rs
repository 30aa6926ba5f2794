//! Outputs of well-known tools and answers of services, from text into structures or into [`Unreadable`].
//!
//! [`Unreadable`]: crate::model::step::Unreadable

pub mod answer;
pub mod url;
