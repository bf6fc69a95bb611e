//! Pages become articles, and nothing live comes through.

pub mod harmless;
mod kept;
mod markdown;
mod sites;
mod whole;
