//! The grammar of segments, read by recursive descent. `or` binds weaker than `and`, which binds weaker than `not`.
//!
//! ```text
//! any  = all { "or" all }
//! all  = one { "and" one }
//! one  = "not" one | "(" any ")" | test
//! test = "suppressed" | WORD ":" VALUE | FIELD SIGN VALUE
//! ```

use std::ops::Range;

use chrono::NaiveDate;

use super::super::fault::nearest;
use super::super::list::ListId;
use super::super::subscriber::SubscriptionState;
use super::lex::{Placed, SegmentError, Token, tokens};
use super::{Compare, Condition, DateField, Decimal, Pattern, TextField, Unit, When};

/// Longest expression: a page of text is no segment.
const TEXT_BYTES_MAX: usize = 4_000;
/// Most tests in one expression; each is a part of one SQL statement.
const TESTS_MAX: usize = 100;
/// Parentheses and `not` inside each other.
const DEPTH_MAX: usize = 20;
/// Longest text that is compared with.
const VALUE_CHARS_MAX: usize = 200;
/// Every field, for "did you mean"; the last stand before a colon.
const FIELDS: [&str; 15] = [
    "email",
    "domain",
    "name",
    "language",
    "tz",
    "joined",
    "confirmed",
    "sent",
    "last_sent",
    "attr.NAME",
    "suppressed",
    "tag:",
    "list:",
    "pending:",
    "unsubscribed:",
];

/// What people call fields elsewhere, and what it is here.
const OTHERS: [(&str, &str); 11] = [
    ("timezone", "tz"),
    ("zone", "tz"),
    ("lang", "language"),
    ("locale", "language"),
    ("tags", "tag:"),
    ("label", "tag:"),
    ("labels", "tag:"),
    ("lists", "list:"),
    ("created", "joined"),
    ("created_at", "joined"),
    ("address", "email"),
];

type Result<T> = std::result::Result<T, SegmentError>;
type Meant = Condition<When>;

/// Parses an expression that may name these Lists.
pub(super) fn parse(text: &str, lists: &[&str]) -> Result<Meant> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SegmentError::new(format!("an expression has at most {TEXT_BYTES_MAX} bytes"), 0..1));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, end: text.trim_end().len(), lists, depth: 0, tests: 0 };
    if parser.tokens.is_empty() {
        return Err(SegmentError::new("the expression is empty", 0..text.len()).hint("for example: tag:vip and joined > 2026-01-01"));
    }
    let meant = parser.any()?;
    match parser.next() {
        None => Ok(meant),
        Some((Token::Sign(")"), span)) => Err(SegmentError::new("this ) closes nothing", span)),
        Some((token, span)) => {
            Err(SegmentError::new(format!("{} is too much here", token.words()), span).hint("join two tests with and, or or"))
        }
    }
}

/// What a field is compared as.
enum Kind {
    Text(TextField),
    Date(DateField),
    Sent,
    Attribute(String),
    Tag,
}

/// A sign, `!=` apart: it is `not` around `=`.
struct Sign {
    compare: Compare,
    is_not: bool,
    span: Range<usize>,
}

struct Parser<'l> {
    tokens: Vec<Placed>,
    at: usize,
    /// Where the expression ends, for what is missing there.
    end: usize,
    lists: &'l [&'l str],
    depth: usize,
    tests: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Placed> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Takes the next token if it is this word, in any case.
    fn took(&mut self, word: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some((Token::Word(found), _)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn missing(&self, what: &str) -> SegmentError {
        SegmentError::new(format!("{what} is missing at the end"), self.end..self.end + 1)
    }

    fn any(&mut self) -> Result<Meant> {
        let mut parts = vec![self.all()?];
        while self.took("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Result<Meant> {
        let mut parts = vec![self.one()?];
        while self.took("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn one(&mut self) -> Result<Meant> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let span = self.tokens.get(self.at).map_or(self.end..self.end + 1, |(_, span)| span.clone());
            return Err(SegmentError::new(format!("more than {DEPTH_MAX} parentheses and nots inside each other"), span));
        }
        let meant = if self.took("not") {
            Condition::Not(Box::new(self.one()?))
        } else {
            match self.next() {
                None => return Err(self.missing("a test").hint("for example: tag:vip")),
                Some((Token::Sign("("), open)) => self.in_parentheses(open)?,
                Some((Token::Word(word), span)) => self.test(&word, span)?,
                Some((token, span)) => {
                    let error = SegmentError::new(format!("a test begins with a field, not with {}", token.words()), span);
                    return Err(error.hint("for example: name = \"Ann*\""));
                }
            }
        };
        self.depth -= 1;
        Ok(meant)
    }

    fn in_parentheses(&mut self, open: Range<usize>) -> Result<Meant> {
        let meant = self.any()?;
        match self.next() {
            Some((Token::Sign(")"), _)) => Ok(meant),
            Some((token, span)) => Err(SegmentError::new(format!("{} is too much here", token.words()), span)
                .hint("join two tests with and, or or; or close the parenthesis")),
            None => Err(SegmentError::new("this ( is never closed", open)),
        }
    }

    fn test(&mut self, word: &str, span: Range<usize>) -> Result<Meant> {
        self.tests += 1;
        if self.tests > TESTS_MAX {
            return Err(SegmentError::new(format!("more than {TESTS_MAX} tests"), span));
        }
        if word.eq_ignore_ascii_case("suppressed") {
            return Ok(Condition::Suppressed);
        }
        if !word.starts_with("attr.")
            && let Some((kind, rest)) = word.split_once(':')
        {
            let colon = span.start + kind.len() + 1;
            let (value, place) = if rest.is_empty() { self.value("a name")? } else { (rest.to_owned(), colon..span.end) };
            return self.in_kind(kind, &value, span.start..colon, place);
        }
        let kind = self.field(word, &span)?;
        let sign = self.sign(word, &span)?;
        let meant = self.compared(kind, &sign)?;
        Ok(if sign.is_not { Condition::Not(Box::new(meant)) } else { meant })
    }

    /// `tag:vip`, `list:weekly`.
    fn in_kind(&self, kind: &str, value: &str, span: Range<usize>, place: Range<usize>) -> Result<Meant> {
        let state = match kind.to_ascii_lowercase().as_str() {
            "tag" => return tag(value, place),
            "list" => SubscriptionState::Confirmed,
            "pending" => SubscriptionState::Pending,
            "unsubscribed" => SubscriptionState::Unsubscribed,
            _ => return Err(unknown(&format!("{kind}:"), span)),
        };
        if !self.lists.contains(&value) {
            let hint = match nearest(value, self.lists.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("lists in config.toml: {}", self.lists.join(", ")),
            };
            return Err(SegmentError::new(format!("there is no list {value:?}"), place).hint(hint));
        }
        let list = ListId::parse(value).map_err(|error| SegmentError::new(error, place))?;
        Ok(Condition::On(list, state))
    }

    fn field(&mut self, word: &str, span: &Range<usize>) -> Result<Kind> {
        if let Some(key) = word.strip_prefix("attr.") {
            let (key, place) = if key.is_empty() { self.value("the attribute's name")? } else { (key.to_owned(), span.clone()) };
            if key.contains(['"', '\\']) || key.chars().count() > VALUE_CHARS_MAX {
                return Err(SegmentError::new("no attribute has such a name", place));
            }
            return Ok(Kind::Attribute(key));
        }
        Ok(match word.to_ascii_lowercase().as_str() {
            "email" => Kind::Text(TextField::Email),
            "domain" => Kind::Text(TextField::Domain),
            "name" => Kind::Text(TextField::Name),
            "language" => Kind::Text(TextField::Language),
            "tz" | "timezone" => Kind::Text(TextField::Timezone),
            "joined" => Kind::Date(DateField::Joined),
            "confirmed" => Kind::Date(DateField::Confirmed),
            "last_sent" => Kind::Date(DateField::LastSent),
            "sent" => Kind::Sent,
            "tag" => Kind::Tag,
            _ => return Err(unknown(word, span.clone())),
        })
    }

    fn sign(&mut self, field: &str, field_span: &Range<usize>) -> Result<Sign> {
        let expected = "behind a field comes =, !=, <, <=, > or >=";
        let Some((token, span)) = self.next() else {
            return Err(SegmentError::new(format!("`{field}` is compared with nothing"), field_span.clone()).hint(expected));
        };
        let (compare, is_not) = match token {
            Token::Sign("=") => (Compare::Equal, false),
            Token::Sign("!=") => (Compare::Equal, true),
            Token::Sign("<") => (Compare::Less, false),
            Token::Sign("<=") => (Compare::AtMost, false),
            Token::Sign(">") => (Compare::More, false),
            Token::Sign(">=") => (Compare::AtLeast, false),
            other => return Err(SegmentError::new(format!("{} is no comparison", other.words()), span).hint(expected)),
        };
        Ok(Sign { compare, is_not, span })
    }

    fn compared(&mut self, kind: Kind, sign: &Sign) -> Result<Meant> {
        match kind {
            Kind::Text(field) => Ok(Condition::Text(field, self.pattern(sign)?)),
            Kind::Tag => {
                only_equal(sign, "tags")?;
                let (value, place) = self.value("a tag")?;
                tag(&value, place)
            }
            Kind::Date(field) => Ok(Condition::Date(field, self.when(sign)?)),
            Kind::Sent => {
                let (value, place) = self.value("a number")?;
                let n =
                    value.parse::<u32>().map_err(|_| SegmentError::new("sent is compared with a whole number", place).hint("sent > 5"))?;
                Ok(Condition::Sent(sign.compare, i64::from(n)))
            }
            Kind::Attribute(key) => {
                // A number as it stands; in quotes it is a text.
                if let Some((Token::Word(word), _)) = self.tokens.get(self.at)
                    && let Some(number) = Decimal::parse(word)
                {
                    self.at += 1;
                    return Ok(Condition::Number(key, sign.compare, number));
                }
                Ok(Condition::Attribute(key, self.pattern(sign)?))
            }
        }
    }

    /// A word or a text.
    fn value(&mut self, what: &str) -> Result<(String, Range<usize>)> {
        match self.next() {
            Some((Token::Word(value) | Token::Text(value), span)) => {
                if value.chars().count() > VALUE_CHARS_MAX {
                    return Err(SegmentError::new(format!("a text has at most {VALUE_CHARS_MAX} characters"), span));
                }
                Ok((value, span))
            }
            Some((token, span)) => Err(SegmentError::new(format!("here should be {what}, not {}", token.words()), span)),
            None => Err(self.missing(what)),
        }
    }

    fn pattern(&mut self, sign: &Sign) -> Result<Pattern> {
        only_equal(sign, "texts")?;
        let (value, _) = self.value("a text")?;
        Ok(Pattern::new(&value))
    }

    /// `2026-01-01`, `30 days ago`, `never`.
    fn when(&mut self, sign: &Sign) -> Result<When> {
        const HINT: &str = "a day such as 2026-01-31, a time such as 30 days ago, or never";
        let (value, place) = self.value("a date")?;
        if value.eq_ignore_ascii_case("never") {
            return match sign.compare {
                Compare::Equal => Ok(When::Never),
                _ => Err(SegmentError::new("never is compared with = or !=", sign.span.clone())),
            };
        }
        if let Ok(day) = NaiveDate::parse_from_str(&value, "%Y-%m-%d") {
            return Ok(When::Day(sign.compare, day));
        }
        let Ok(n) = value.parse::<u32>() else {
            return Err(SegmentError::new(format!("{value:?} is no date"), place).hint(HINT));
        };
        let (unit, unit_place) = self.value("days, or another length of time")?;
        let unit = match unit.to_ascii_lowercase().trim_end_matches('s') {
            "hour" => Unit::Hour,
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "year" => Unit::Year,
            _ => {
                return Err(
                    SegmentError::new(format!("{unit:?} is no length of time"), unit_place).hint("hours, days, weeks, months or years")
                );
            }
        };
        if !self.took("ago") {
            return Err(SegmentError::new("behind a length of time comes ago", place.start..unit_place.end).hint("30 days ago"));
        }
        let is_before = match sign.compare {
            Compare::Less | Compare::AtMost => true,
            Compare::More | Compare::AtLeast => false,
            Compare::Equal => {
                let error = SegmentError::new("a time that is so long ago is one instant, which nothing equals", sign.span.clone());
                return Err(error.hint("< is before it, > is after it"));
            }
        };
        Ok(When::Ago { is_before, n, unit })
    }
}

fn only_equal(sign: &Sign, what: &str) -> Result<()> {
    if sign.compare == Compare::Equal {
        return Ok(());
    }
    let error = SegmentError::new(format!("{what} are compared with = or !="), sign.span.clone());
    Err(error.hint("* stands for any text: name = \"An*\""))
}

/// Tags are kept in a row, so that a `*` in the middle of one could reach into the next.
fn tag(value: &str, place: Range<usize>) -> Result<Meant> {
    let pattern = Pattern::new(value);
    let inner = pattern.as_str();
    let inner = inner.strip_prefix('*').unwrap_or(inner);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    if value.is_empty() {
        return Err(SegmentError::new("a tag has at least one character", place).hint("tag:* is any tag"));
    }
    if inner.contains('*') {
        return Err(SegmentError::new("in a tag, * stands only at the beginning and at the end", place));
    }
    Ok(Condition::Tag(pattern))
}

fn unknown(word: &str, span: Range<usize>) -> SegmentError {
    let attribute = format!("attr.{}", word.trim_end_matches(':'));
    let error = SegmentError::new(format!("there is no field `{word}`"), span);
    let known = FIELDS.into_iter().chain(OTHERS.iter().map(|(other, _)| *other));
    match nearest(word, known) {
        Some(near) => {
            let meant = OTHERS.iter().find(|(other, _)| *other == near).map_or(near, |(_, meant)| *meant);
            error.hint(format!("did you mean `{meant}`? an attribute is {attribute}"))
        }
        None => error.hint(format!("the fields are {}; an attribute is {attribute}", FIELDS.join(", "))),
    }
}
