//! Nothing but tests, which stand in `main.rs`.
