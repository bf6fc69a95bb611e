//! What can be known of a picture without showing it: its size in pixels and bytes, and its media type.

use std::io::BufReader;
use std::path::Path;

use crate::model::article::Image;

/// The picture at `url`, with what its `file`, if any, tells.
pub fn describe(url: String, alt: String, file: Option<&Path>) -> Image {
    let opened = file.and_then(|file| std::fs::File::open(file).ok());
    let length_bytes = opened.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| metadata.len());
    let size = opened.and_then(|file| imagesize::reader_size(BufReader::new(file)).ok());
    let pixels = |number: usize| u32::try_from(number).ok();
    let media_type = media_type(url.split(['?', '#']).next().unwrap_or(&url)).map(str::to_owned);
    Image {
        alt,
        width: size.and_then(|size| pixels(size.width)),
        height: size.and_then(|size| pixels(size.height)),
        media_type,
        length_bytes,
        url,
    }
}

/// The media type a file name tells.
fn media_type(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}
