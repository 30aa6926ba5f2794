//! Words for people: what happened, on a terminal, on a pipe, in a file.
