//! Control characters have no place in what strangers write: one ends a text for a program, another moves a terminal's cursor.

/// Whether a character does something instead of showing something. Tabs and line ends are white space and stay.
pub fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// The text without them; those that part words (form feed, vertical tab, next line) become a space.
pub fn without(text: String) -> String {
    if !text.contains(is_control) {
        return text;
    }
    let kept = |c: char| match c {
        c if !is_control(c) => Some(c),
        c if c.is_whitespace() => Some(' '),
        _ => None,
    };
    text.chars().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_goes_and_what_parts_words_becomes_a_space() {
        assert_eq!(without("a\0b\u{1b}[31mc\u{7f}\u{9b}d\u{c}e\tf\r\ng\u{a0}h".to_owned()), "ab[31mcd e\tf\r\ng\u{a0}h");
        assert_eq!(without("a line\nof text".to_owned()), "a line\nof text");
    }
}
