//! Foreign feeds and pages: read, cleaned, told apart, fetched.

mod broken;
mod dates;
mod pages;
mod reader;
