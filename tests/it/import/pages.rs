//! Pages become articles, and nothing live comes through.

pub mod harmless;
mod markdown;
mod sites;
mod whole;
