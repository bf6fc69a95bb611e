//! Foreign feeds and pages: read, cleaned, told apart, fetched.

mod broken;
mod commands;
mod corpora;
mod costs;
mod dates;
mod documented;
mod editors;
mod hostile;
mod hosts;
mod identity;
mod kept;
mod killed;
mod month;
mod mutations;
mod opml;
mod pages;
mod patience;
mod reader;
mod scene;
mod shelf;
mod shown;
mod storms;
mod turns;
