//! Builds everything from `Config`; start, drain, stop; holds the one clock.
