//! Conditions as SQL over `subscribers s`. Every value is bound, and every test is true or false, never unknown, so that `not` means what it says.

use super::sql::{Tx, Value};
use crate::model::segment::{Compare, DateField, Pattern, Span, TextField};
use crate::model::{Condition, DeliveryState, ListId, SubscriptionState};

/// What keeps a sign of a pattern from meaning something to `LIKE`.
const ESCAPE: char = '!';

/// The condition over `subscribers s`, as SQL; its values go behind `args`.
pub(super) fn sql(tx: &Tx, args: &mut Vec<Value>, condition: &Condition) -> String {
    Writer { tx, args }.condition(condition)
}

struct Writer<'a> {
    /// Knows the engine's words.
    tx: &'a Tx,
    args: &'a mut Vec<Value>,
}

impl Writer<'_> {
    /// Binds a value; gives its placeholder.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.args.push(value.into());
        format!("${}", self.args.len())
    }

    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::All(inner) => self.joined(inner, " AND "),
            Condition::Any(inner) => self.joined(inner, " OR "),
            Condition::Not(inner) => format!("(NOT {})", self.condition(inner)),
            Condition::Text(field, pattern) => self.text(*field, pattern),
            Condition::Attribute(key, pattern) => {
                let text = self.attribute(key);
                self.like(&format!("COALESCE({text}, '')"), pattern)
            }
            Condition::Number(key, compare, number) => {
                let text = self.attribute(key);
                let number = self.bind(number.as_str());
                let (value, sign) = (self.tx.number("t"), compare.sign());
                truth(&format!("(SELECT {value} FROM (SELECT {text} AS t) AS v) {sign} CAST({number} AS DOUBLE PRECISION)"))
            }
            Condition::Sent(compare, n) => self.sent(*compare, *n),
            Condition::Date(field, span) => self.date(*field, *span),
            Condition::Tag(pattern) => self.tag(pattern),
            Condition::On(list, state) => self.on(list, *state),
            Condition::Suppressed => "EXISTS (SELECT 1 FROM suppressions p WHERE p.email = s.email_key)".to_owned(),
        }
    }

    fn joined(&mut self, inner: &[Condition], word: &str) -> String {
        let parts: Vec<String> = inner.iter().map(|one| self.condition(one)).collect();
        format!("({})", parts.join(word))
    }

    /// An attribute as text, or NULL.
    fn attribute(&mut self, key: &str) -> String {
        let path = self.tx.attribute_path(key);
        let path = self.bind(path);
        self.tx.attribute("s.attributes", &path)
    }

    fn text(&mut self, field: TextField, pattern: &Pattern) -> String {
        match field {
            TextField::Email => self.like("s.email", pattern),
            // No part before an @ has another @.
            TextField::Domain => self.like("s.email", &Pattern::new(&format!("*@{}", pattern.as_str()))),
            TextField::Name => self.like("COALESCE(s.name, '')", pattern),
            TextField::Language => self.like("COALESCE(s.language, '')", pattern),
            TextField::Timezone => self.like("COALESCE(s.timezone, '')", pattern),
        }
    }

    /// Whether a text, which is never NULL, fits.
    fn like(&mut self, text: &str, pattern: &Pattern) -> String {
        let folded = self.tx.folded(text);
        if !pattern.as_str().contains('*') {
            return format!("({folded} = {})", self.bind(pattern.as_str()));
        }
        format!("({folded} LIKE {} ESCAPE '{ESCAPE}')", self.bind(like_text(pattern.as_str())))
    }

    /// Tags stand between line breaks, which none contains.
    fn tag(&mut self, pattern: &Pattern) -> String {
        let inner = pattern.as_str();
        let (before, inner) = inner.strip_prefix('*').map_or(("\n", inner), |rest| ("", rest));
        let (inner, after) = inner.strip_suffix('*').map_or((inner, "\n"), |rest| (rest, ""));
        if inner.is_empty() {
            return "(s.tags <> '')".to_owned();
        }
        let folded = self.tx.folded("s.tags");
        format!("({folded} LIKE {} ESCAPE '{ESCAPE}')", self.bind(format!("%{before}{}{after}%", like_text(inner))))
    }

    fn on(&mut self, list: &ListId, state: SubscriptionState) -> String {
        let (list, state) = (self.bind(list), self.bind(state.code()));
        format!("EXISTS (SELECT 1 FROM subscriptions x WHERE x.subscriber_id = s.id AND x.list_id = {list} AND x.state = {state})")
    }

    /// One look at everything that was sent, in place of one for each person.
    fn sent(&mut self, compare: Compare, n: i64) -> String {
        let sent = DeliveryState::Sent.code();
        // Who was sent nothing has no row: when nothing is enough, those are counted for whom it is not.
        let (word, not) = if compare.holds(0, n) { ("NOT IN", "NOT ") } else { ("IN", "") };
        let (sign, n) = (compare.sign(), self.bind(n));
        format!(
            "(s.id {word} (SELECT subscriber_id FROM deliveries WHERE state = {sent} GROUP BY subscriber_id HAVING {not}(COUNT(*) {sign} {n})))"
        )
    }

    fn date(&mut self, field: DateField, span: Span) -> String {
        let sent = DeliveryState::Sent.code();
        let confirmed = "(SELECT MIN(COALESCE(c.confirmed_at, x.changed_at)) FROM subscriptions x
             LEFT JOIN consents c ON c.subscriber_id = x.subscriber_id AND c.list_id = x.list_id WHERE x.subscriber_id = s.id AND x.state = 1)";
        match (field, span) {
            (DateField::Joined, Span::Never) => "(s.created_at IS NULL)".to_owned(),
            (DateField::Joined, span) => truth(&self.within("s.created_at", span)),
            (DateField::Confirmed, Span::Never) => format!("({confirmed} IS NULL)"),
            (DateField::Confirmed, span) => truth(&self.within(confirmed, span)),
            (DateField::LastSent, Span::Never) => format!("(s.id NOT IN (SELECT subscriber_id FROM deliveries WHERE state = {sent}))"),
            (DateField::LastSent, span) => {
                let within = self.within("MAX(changed_at)", span);
                format!("(s.id IN (SELECT subscriber_id FROM deliveries WHERE state = {sent} GROUP BY subscriber_id HAVING {within}))")
            }
        }
    }

    fn within(&mut self, at: &str, span: Span) -> String {
        let Span::Within { from, until } = span else { return format!("{at} IS NULL") };
        let from = from.map(|from| format!("{at} >= {}", self.bind(from)));
        let until = until.map(|until| format!("{at} < {}", self.bind(until)));
        let ends: Vec<String> = from.into_iter().chain(until).collect();
        ends.join(" AND ")
    }
}

/// True where it holds, and false where it does not or cannot be told.
fn truth(test: &str) -> String {
    format!("(CASE WHEN {test} THEN 1 ELSE 0 END = 1)")
}

/// A pattern as `LIKE` takes it.
fn like_text(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len() + 4);
    for c in pattern.chars() {
        match c {
            '*' => text.push('%'),
            '%' | '_' | ESCAPE => text.extend([ESCAPE, c]),
            _ => text.push(c),
        }
    }
    text
}
