//! Foreign feeds and pages: read, cleaned, told apart, fetched.

mod broken;
mod dates;
mod identity;
mod pages;
mod patience;
mod reader;
