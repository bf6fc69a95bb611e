//! Tests of the HTTP service, through its door: bytes go in by hand, answers are read as they come.

mod feeds;
mod files;
mod limits;
mod readers;
mod routes;
mod sources;
