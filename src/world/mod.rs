//! The outside: SSH, HTTP, the clock.
