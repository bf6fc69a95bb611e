//! Tests through the door: one binary, one file a stage.
#![allow(clippy::unwrap_used, missing_docs)]
