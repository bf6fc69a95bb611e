//! Foreign feeds and pages: read, cleaned, told apart, fetched.

mod broken;
mod dates;
mod identity;
mod month;
mod mutations;
mod pages;
mod patience;
mod reader;
mod scene;
