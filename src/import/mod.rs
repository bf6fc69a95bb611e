//! Sources → Articles: feeds and pages of others are asked politely, read tolerantly, cleaned, and told apart.

pub mod guard;
pub mod identity;
pub mod pages;
pub mod patience;
pub mod reader;
