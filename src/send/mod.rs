//! Lease Deliveries, pace, speak SMTP, record Outcomes.

pub mod classify;
pub mod connect;
pub mod content;
pub mod hello;
pub mod reply;
pub mod retry;
pub mod smtp;
pub mod transaction;
pub mod wire;
