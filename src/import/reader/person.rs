//! People: one line of text (`jane@example.org (Jane Doe)`, `Jane Doe <jane@example.org>`, a bare name) as a [`Person`].

use super::content::attribute;
use super::model::Person;
use super::xml::Leaf;

/// Reads an element: Atom names people in elements, RSS in a line.
pub fn read(leaf: &Leaf<'_, '_>) -> Option<Person> {
    if !leaf.inside.has_elements {
        return parse(&leaf.inside.line()?);
    }
    let mut person = Person::default();
    for child in leaf.inside.children() {
        let slot = match child.name.as_str() {
            "name" => &mut person.name,
            "email" => &mut person.email,
            "uri" | "url" | "homepage" => &mut person.url,
            _ => continue,
        };
        let value = child.inside.line().or_else(|| attribute(&child.attributes, "resource").map(|value| value.into_owned()));
        *slot = slot.take().or(value);
    }
    person.url = person.url.map(|url| leaf.bases.resolve(&url));
    (person != Person::default()).then_some(person)
}

/// Reads the line; none when nothing is in it.
pub fn parse(line: &str) -> Option<Person> {
    let line = line.trim();
    let Some(email) =
        line.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | '"')).find_map(address)
    else {
        let name = line.trim_matches(['<', '>', '(', ')', ' ', '"']);
        return (!name.is_empty()).then(|| Person { name: Some(name.to_owned()), ..Person::default() });
    };
    let rest = line.replacen(email, "", 1).replace("mailto:", "").replace("<>", "").replace("()", "");
    let name = rest.trim();
    let name = name.strip_prefix('(').unwrap_or(name);
    let name = name.strip_suffix(')').unwrap_or(name).trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '-'));
    let email = email.split('?').next().unwrap_or(email);
    Some(Person { name: (!name.is_empty()).then(|| name.to_owned()), email: Some(email.to_owned()), url: None })
}

/// The mail address that a word is, without `mailto:`.
fn address(word: &str) -> Option<&str> {
    let word = word.strip_prefix("mailto:").unwrap_or(word).trim_end_matches(['.', ':']);
    let (local, domain) = word.split_once('@')?;
    let is_address =
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.starts_with('.') && !domain.ends_with('.');
    is_address.then_some(word)
}
