//! SMTP commands as the inbox understands them: pure parsing, one line in, one command or one refusal out.

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// EHLO.
    Ehlo,
    /// HELO.
    Helo,
    /// MAIL FROM, with the size the client announces.
    Mail {
        /// Return path; empty for `<>`.
        from: String,
        /// `SIZE=`.
        size: Option<u64>,
    },
    /// RCPT TO.
    Rcpt(String),
    /// DATA.
    Data,
    /// BDAT: so many octets follow, and whether they are the last of the message.
    Bdat(usize, bool),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// QUIT.
    Quit,
}

/// The reply to a line that is not a command.
pub type Refusal = &'static str;

/// Longest path in an envelope (RFC 5321 section 4.5.3.1.3), with room for UTF-8.
const PATH_BYTES_MAX: usize = 512;

/// Parses a line without its CR LF.
pub fn parse(line: &[u8]) -> Result<Command, Refusal> {
    let line = std::str::from_utf8(line).map_err(|_| "500 5.5.2 Not UTF-8")?;
    if line.chars().any(char::is_control) {
        return Err("500 5.5.2 Control character in a command");
    }
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let bare = |command| if rest.is_empty() { Ok(command) } else { Err("501 5.5.4 No parameter expected") };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" | "HELO" if rest.is_empty() => Err("501 5.5.4 A name is needed"),
        "EHLO" => Ok(Command::Ehlo),
        "HELO" => Ok(Command::Helo),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => bare(Command::Data),
        "BDAT" => bdat(rest),
        "RSET" => bare(Command::Rset),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        "QUIT" => bare(Command::Quit),
        "STARTTLS" | "AUTH" | "EXPN" | "HELP" | "TURN" => Err("502 5.5.1 Not implemented"),
        _ => Err("500 5.5.2 Unknown command"),
    }
}

fn mail(rest: &str) -> Result<Command, Refusal> {
    let (from, parameters) = path(rest, "FROM:")?;
    let mut size = None;
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
            ("SIZE", digits) => size = Some(digits.parse().map_err(|_| "501 5.5.4 SIZE is a number")?),
            ("BODY", "7BIT" | "8BITMIME") | ("SMTPUTF8", "") => {}
            _ => return Err("555 5.5.4 Unknown MAIL parameter"),
        }
    }
    Ok(Command::Mail { from: from.to_owned(), size })
}

fn bdat(rest: &str) -> Result<Command, Refusal> {
    let (octets, last) = rest.split_once(' ').unwrap_or((rest, ""));
    match (octets.parse(), last.to_ascii_uppercase().as_str()) {
        (Ok(octets), "") => Ok(Command::Bdat(octets, false)),
        (Ok(octets), "LAST") => Ok(Command::Bdat(octets, true)),
        _ => Err("501 5.5.4 Syntax: BDAT octets [LAST]"),
    }
}

fn rcpt(rest: &str) -> Result<Command, Refusal> {
    let (to, parameters) = path(rest, "TO:")?;
    if to.is_empty() {
        return Err("501 5.1.3 A recipient is needed");
    }
    if !parameters.trim().is_empty() {
        return Err("555 5.5.4 Unknown RCPT parameter");
    }
    Ok(Command::Rcpt(to.to_owned()))
}

/// `FROM:<path> parameters` into path and parameters.
fn path<'a>(rest: &'a str, keyword: &str) -> Result<(&'a str, &'a str), Refusal> {
    let syntax = "501 5.5.4 Syntax: FROM:<address> or TO:<address>";
    let head = rest.get(..keyword.len()).filter(|head| head.eq_ignore_ascii_case(keyword)).ok_or(syntax)?;
    let (path, parameters) = rest[head.len()..].trim_start().strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or(syntax)?;
    if path.len() > PATH_BYTES_MAX || path.contains([' ', '<']) || !(path.is_empty() || path.contains('@')) {
        return Err("501 5.1.3 Bad address");
    }
    if !(parameters.is_empty() || parameters.starts_with(' ')) {
        return Err(syntax);
    }
    Ok((path, parameters))
}
