//! Tests through the door: one binary, one file a stage.
#![allow(clippy::unwrap_used, missing_docs)]

mod cli;
mod compose;
mod config;
mod content;
mod control;
mod crash;
mod digest;
mod dkim;
mod faults;
mod feed;
mod fetch;
mod inbox;
mod join;
mod numbers;
mod peers;
mod pipeline;
mod report;
mod schedule;
mod send;
mod sim;
mod store;
mod subscribe;
mod support;
mod template;
mod workers;
