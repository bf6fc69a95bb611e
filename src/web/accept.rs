//! Which encodings a client takes (RFC 9110, 12.5.3).

use axum::http::{HeaderMap, header};

/// The encodings we offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

impl Encoding {
    /// Those that make something smaller.
    pub const PACKED: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    /// Its name in `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// What tells its ETag from the others'.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "-gz",
            Self::Brotli => "-br",
            Self::Zstd => "-zst",
        }
    }

    /// The encoding of an ETag that ends in `suffix`.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd].into_iter().find(|encoding| encoding.suffix() == suffix)
    }
}

/// How much a client likes each encoding, in thousandths; 0 is a refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accept([u16; 4]);

impl Accept {
    /// Reads `Accept-Encoding`. Without one nothing is packed.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut listed: [Option<u16>; 4] = [None; 4];
        let mut others = None;
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for one in value.to_str().unwrap_or_default().split(',') {
                let mut parts = one.split(';');
                let name = parts.next().unwrap_or_default().trim();
                let weight = parts.find_map(|part| part.trim().strip_prefix(['q', 'Q'])?.strip_prefix('=').map(weight)).unwrap_or(1000);
                match name.to_ascii_lowercase().as_str() {
                    "identity" => listed[0] = Some(weight),
                    "gzip" | "x-gzip" => listed[1] = Some(weight),
                    "br" => listed[2] = Some(weight),
                    "zstd" => listed[3] = Some(weight),
                    "*" => others = Some(weight),
                    _ => {}
                }
            }
        }
        let mut weights = listed.map(|weight| weight.or(others).unwrap_or(0));
        // What is not packed is fine unless it is refused, but nobody's first choice.
        weights[0] = listed[0].or(others).unwrap_or(1);
        Self(weights)
    }

    /// The weight of an encoding; 0 when the client does not take it.
    pub fn weight(self, encoding: Encoding) -> u16 {
        self.0[encoding as usize]
    }
}

/// `0.5` as 500. What is no weight counts as a refusal of that encoding: it cannot do harm.
fn weight(text: &str) -> u16 {
    let number: f64 = text.trim().parse().unwrap_or(0.0);
    (number.clamp(0.0, 1.0) * 1000.0) as u16
}
