//! Extraction against what people marked as the article: Mozilla's cases for readability, Scrapinghub's benchmark, and a page that arrived as flat text.

use std::collections::HashMap;
use std::io::Read as _;

use dom_query::Document;
use postrider::import::pages::extract;
use serde_json::Value;
use url::Url;

use super::{Score, folder, squeezed};

/// Of so many of Mozilla's cases one may differ.
const CASES_FOR_ONE_WRONG: usize = 130;
/// A size of the collection that has been measured: all its cases were right.
const CASES_ALL_RIGHT: usize = 55;
const F1_GOAL: f64 = 0.957;
/// A size of the collection that has been measured, and its F1 then.
const F1_REACHED: (usize, f64) = (91, 0.9587);

/// Equal are the texts, white space left out. Titles are counted, and nothing is asserted of them: JSON-LD stands before Dublin Core here.
#[test]
#[ignore = "needs POSTRIDER_CORPORA: run scripts/test"]
fn mozillas_cases_give_the_text_that_mozilla_expects() {
    let address = Url::parse("http://fakehost/test/page.html").unwrap();
    let (mut texts, mut titles) = (Score::default(), Score::default());
    for case in std::fs::read_dir(folder("pages/readability")).unwrap() {
        let case = case.unwrap().path();
        let Ok(source) = std::fs::read(case.join("source.html")) else { continue };
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let wanted = Document::from(std::fs::read_to_string(case.join("expected.html")).unwrap()).text();
        let meta: Value = serde_json::from_slice(&std::fs::read(case.join("expected-metadata.json")).unwrap()).unwrap();
        let (title, text) = extract(&source, None, Some(&address)).map(|page| (page.title, page.text)).unwrap_or_default();
        let bare = |text: &str| text.split_whitespace().flat_map(str::chars).map(unraised).collect::<String>();
        texts.note(bare(&text) == bare(&wanted), || name.clone());
        titles.note(meta["title"] == title.as_str(), || name);
    }
    println!("pages/readability: the same text in {} of {} cases, the same title in {}", texts.equal, texts.compared, titles.equal);
    assert!(texts.compared > 0, "pages/readability has no case");
    let may_differ = if texts.compared == CASES_ALL_RIGHT { 0 } else { texts.compared.div_ceil(CASES_FOR_ONE_WRONG) };
    assert!(texts.wrong.len() <= may_differ, "at most {may_differ} may differ, and these do: {:?}", texts.wrong);
}

/// A number as it is without being raised or lowered, which Mozilla's texts do not tell and ours do.
fn unraised(c: char) -> char {
    let at = |signs: &str| signs.chars().position(|sign| sign == c);
    at("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻").or_else(|| at("₀₁₂₃₄₅₆₇₈₉₊₋")).and_then(|at| "0123456789+-".chars().nth(at)).unwrap_or(c)
}

/// As the benchmark counts: precision and recall over shingles of four words, each the mean over all pages; F1 is of the two means.
#[test]
#[ignore = "needs POSTRIDER_CORPORA: run scripts/test"]
fn scrapinghubs_articles_are_found() {
    let folder = folder("pages/scrapinghub");
    let truth: HashMap<String, Value> = serde_json::from_slice(&std::fs::read(folder.join("ground-truth.json")).unwrap()).unwrap();
    let (mut precisions, mut recalls) = (Vec::new(), Vec::new());
    for (id, wanted) in &truth {
        let mut html = Vec::new();
        let file = std::fs::File::open(folder.join(format!("html/{id}.html.gz"))).unwrap();
        flate2::read::GzDecoder::new(file).read_to_end(&mut html).unwrap();
        let address = wanted["url"].as_str().and_then(|url| Url::parse(url).ok());
        let found = extract(&html, None, address.as_ref()).map(|page| page.text).unwrap_or_default();
        let (wanted, found) = (shingles(wanted["articleBody"].as_str().unwrap()), shingles(&found));
        let hit: usize = wanted.iter().map(|(shingle, count)| *found.get(shingle).unwrap_or(&0).min(count)).sum();
        let of =
            |all: &HashMap<Vec<String>, usize>| Some(all.values().sum::<usize>()).filter(|all| *all > 0).map(|all| hit as f64 / all as f64);
        precisions.extend(of(&found));
        recalls.extend(of(&wanted));
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (precision, recall) = (mean(&precisions), mean(&recalls));
    let f1 = 2.0 * precision * recall / (precision + recall);
    println!("pages/scrapinghub: precision {precision:.4}, recall {recall:.4}, F1 {f1:.4} (goal {F1_GOAL}) over {} pages", truth.len());
    let least = if truth.len() == F1_REACHED.0 { F1_REACHED.1 } else { F1_GOAL };
    assert!(f1 >= least, "F1 is {f1:.4}, and should be {least} at least");
}

/// Each run of four words, and how often it stands there; a text of fewer is one run.
fn shingles(text: &str) -> HashMap<Vec<String>, usize> {
    let words: Vec<String> =
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let mut shingles = HashMap::new();
    if !words.is_empty() {
        for run in words.windows(4.min(words.len())) {
            *shingles.entry(run.to_vec()).or_insert(0) += 1;
        }
    }
    shingles
}

/// The site's lines stand before the second time that the title stands alone, and from the first line "Google Sites" on. Headings have two empty lines
/// before them, bullets and numbers their marks, and the first line of a number is its head.
#[test]
#[ignore = "needs POSTRIDER_CORPORA: run scripts/test"]
fn of_a_flattened_page_the_article_remains_with_its_structure() {
    let flat = std::fs::read_to_string(folder("pages/flattened").join("google-sites.txt")).unwrap();
    let page = extract(flat.as_bytes(), Some("text/plain"), None).unwrap();
    let title = flat.lines().find(|line| !line.is_empty() && flat.lines().filter(|other| other == line).count() == 2 && line.len() > 40);
    assert_eq!(Some(page.title.as_str()), title);
    let (_, article) = flat.rsplit_once(&format!("\n{}\n", page.title)).unwrap();
    let (article, _) = article.split_once("\nGoogle Sites\n").unwrap();
    let bare =
        |line: &str| line.trim().trim_start_matches(|c: char| c == '•' || c.is_ascii_digit()).trim_start_matches(". ").trim().to_owned();
    let wanted: Vec<String> = article.lines().map(bare).filter(|line| !line.is_empty()).collect();
    let tree = Document::fragment(page.html.as_str());
    let each = |selector: &str| tree.select(selector).nodes().iter().map(|node| squeezed(&node.text())).collect::<Vec<_>>();
    let bare_text = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(bare_text(&tree.text()), bare_text(&wanted.join(" ")), "the article, the whole of it, and nothing else");
    let headings: Vec<String> = article
        .split("\n\n\n")
        .skip(1)
        .filter_map(|part| part.trim().lines().next())
        .map(squeezed)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(each("h1, h2, h3, h4"), headings);
    let bullets = article.lines().filter(|line| line.trim().starts_with('•')).map(bare).collect::<Vec<_>>();
    assert_eq!(each("ul > li"), bullets);
    let heads = article.lines().filter(|line| line.trim().starts_with(|c: char| c.is_ascii_digit())).map(bare).collect::<Vec<_>>();
    assert_eq!(each("ol > li strong"), heads);
    println!("pages/flattened: {} headings, {} bullets, {} numbers, and no line of the site", headings.len(), bullets.len(), heads.len());
}
