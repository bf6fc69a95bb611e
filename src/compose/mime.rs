//! Quoted-printable and the two parts of a message. Everything is 7 bit, no line is longer than 76, and no line
//! begins with `.` or `F`, so that no server has to stuff a dot or mangle a "From ".

/// Between the parts. `=_` cannot occur in quoted-printable, so no body can contain it.
pub(super) const BOUNDARY: &str = "=_postrider_alternative_1";
/// Longest line of quoted-printable (RFC 2045 section 6.7), with its `=`.
const LINE_MAX: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// In front of the plain text.
pub(super) const TEXT_HEAD: &str = "\r\n--=_postrider_alternative_1\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
/// Between the plain text and the HTML.
pub(super) const HTML_HEAD: &str = "\r\n--=_postrider_alternative_1\r\n\
    Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
/// Behind the HTML.
pub(super) const TAIL: &str = "\r\n--=_postrider_alternative_1--\r\n";

/// Appends the body: both parts, encoded. The headers end before it, without their empty line.
pub(super) fn body(text: &str, html: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(TEXT_HEAD.as_bytes());
    encode(text, out);
    out.extend_from_slice(HTML_HEAD.as_bytes());
    encode(html, out);
    out.extend_from_slice(TAIL.as_bytes());
}

/// Appends `text` in quoted-printable, starting at column 0. Gives the column it stops at.
/// Every line break (CR LF, LF or CR) becomes CR LF.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) -> usize {
    let bytes = text.as_bytes();
    let mut column = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        if byte == b'\n' || byte == b'\r' {
            at += usize::from(byte == b'\r' && bytes.get(at) == Some(&b'\n'));
            out.extend_from_slice(b"\r\n");
            column = 0;
            continue;
        }
        let width = if is_literal(byte, column, bytes.get(at)) { 1 } else { 3 };
        if column + width > LINE_MAX - 1 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        // The break may have moved a dot to the start of a line: it is judged again.
        column += write_byte(byte, is_literal(byte, column, bytes.get(at)), out);
    }
    column
}

/// Appends `value` so that whatever comes next starts at column 0 and joins without a break.
pub(super) fn encode_joined(value: &str, out: &mut Vec<u8>) {
    if encode(value, out) > 0 {
        out.extend_from_slice(b"=\r\n");
    }
}

fn write_byte(byte: u8, literal: bool, out: &mut Vec<u8>) -> usize {
    if literal {
        out.push(byte);
        1
    } else {
        out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        3
    }
}

/// Whether a byte may stand for itself at this column, before `next`.
fn is_literal(byte: u8, column: usize, next: Option<&u8>) -> bool {
    match byte {
        b'=' => false,
        b'.' | b'F' => column > 0,
        b'!'..=b'~' => true,
        b' ' | b'\t' => !matches!(next, None | Some(b'\r' | b'\n')),
        _ => false,
    }
}
