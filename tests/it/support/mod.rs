//! What tests share.
#![allow(dead_code)]

pub mod files;
pub mod http;
pub mod postgres;
pub mod smtp;
pub mod store;
pub mod web;
