//! Postrider turns articles into feeds and e-mail digests, and delivers them so that nobody is lost.
//!
//! Start at ARCHITECTURE.md: the rooms, what each may import, and two walkthroughs.
#![forbid(unsafe_code)]

pub mod app;
pub mod bounce;
pub mod cli;
pub mod compose;
pub mod config;
pub mod content;
pub mod digest;
pub mod feed;
pub mod fetch;
pub mod import;
pub mod inbox;
pub mod model;
pub mod preflight;
pub mod schedule;
pub mod send;
pub mod store;
pub mod subscribe;
pub mod telemetry;
pub mod template;
pub mod web;
pub mod websub;
pub mod worker;
