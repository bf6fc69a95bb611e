//! Pages become articles, and nothing live comes through.

mod harmless;
mod markdown;
mod sites;
mod whole;
