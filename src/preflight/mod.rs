//! The checks before a send: one set for the command line, the web and CI.
