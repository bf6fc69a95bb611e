//! Which entries a Source is read for: by words and by language.

use crate::model::source::Source;

/// Why an entry is not wanted; `None` when it is.
pub fn unwanted(source: &Source, title: &str, text: &str, language: Option<&str>) -> Option<String> {
    if !source.languages.is_empty()
        && let Some(language) = language
        && !source.languages.iter().any(|wanted| speaks(language, wanted))
    {
        return Some(format!("its language is {language}"));
    }
    if source.include.is_empty() && source.exclude.is_empty() {
        return None;
    }
    let all = format!("{title}\n{text}").to_lowercase();
    if let Some(word) = source.exclude.iter().find(|word| has_word(&all, &word.to_lowercase())) {
        return Some(format!("it has the word {word:?}"));
    }
    let fits = source.include.is_empty() || source.include.iter().any(|word| has_word(&all, &word.to_lowercase()));
    (!fits).then(|| "it has none of the words of `include`".to_owned())
}

/// `en-GB` is `en`; `en` is not `en-GB`.
fn speaks(language: &str, wanted: &str) -> bool {
    let (language, wanted) = (language.to_lowercase().replace('_', "-"), wanted.to_lowercase());
    language.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether `word` stands in `text` with no letter or digit beside it: "tide" is not in "tidemark".
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !word.is_empty()
        && text
            .match_indices(word)
            .any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next()))
}
