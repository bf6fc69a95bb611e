//! Foreign feeds and pages: read, cleaned, told apart, fetched.

mod broken;
mod commands;
mod corpora;
mod dates;
mod hostile;
mod identity;
mod month;
mod mutations;
mod opml;
mod pages;
mod patience;
mod reader;
mod scene;
mod shown;
mod storms;
mod turns;
