//! Foreign feeds and pages: read, cleaned, told apart, fetched.

mod broken;
mod commands;
mod dates;
mod opml;
mod pages;
mod reader;
