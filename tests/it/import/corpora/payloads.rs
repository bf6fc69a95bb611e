//! Known scripts in HTML: none is alive in what leaves the sanitiser, by the rules of [`live`], which know nothing of the sanitiser's.
//!
//! [`live`]: crate::import::pages::harmless::live

use super::folder;
use crate::import::pages::harmless::{in_attributes, in_page, in_profiles, live};

#[test]
#[ignore = "needs POSTRIDER_CORPORA: run scripts/test"]
fn no_vector_of_the_collections_lives_in_any_profile() {
    let all = vectors();
    let raw = all.iter().filter(|vector| live(vector).is_some()).count();
    assert!(raw > 100, "the judge sees only {raw} of {} live as they stand", all.len());
    let mut lives = Vec::new();
    for vector in &all {
        lives.extend(in_profiles(vector));
        lives.extend(in_profiles(&in_attributes(vector)));
        lives.extend(in_page(vector));
    }
    println!(
        "xss: {} vectors ({raw} live as they stand) as body, in attributes and in a page, in three profiles and as Markdown: {} live",
        all.len(),
        lives.len()
    );
    assert!(lives.is_empty(), "these live:\n{}", lives.join("\n"));
}

fn vectors() -> Vec<String> {
    let folder = folder("xss");
    let sheet = std::fs::read_to_string(folder.join("h5sc-vectors.txt")).unwrap();
    // Each stands in an element of its own, with an end that closes whatever it opened.
    let vectors = sheet.split("<div id=\"").skip(1).filter_map(|part| part.split_once("\">")).map(|(_, vector)| vector);
    let mut vectors: Vec<String> =
        vectors.map(|vector| vector.rsplit_once("//[\"'`-->]]>]</div>").map_or(vector, |(vector, _)| vector).to_owned()).collect();
    assert!(vectors.len() > 100, "h5sc-vectors.txt has {} vectors", vectors.len());
    let naughty: Vec<String> = serde_json::from_slice(&std::fs::read(folder.join("blns.json")).unwrap()).unwrap();
    vectors.extend(naughty);
    vectors
}
