"""Reads mailboxes over IMAP and says what is in them, as JSON on stdout.

usage: read_mailboxes.py PORT < addresses (one a line)

It is the second opinion of the tests: nothing here knows how Postrider writes
mail. Python's own parser takes each message apart and names its defects.
"""

import email
import email.policy
import html.parser
import imaplib
import json
import re
import sys


class Links(html.parser.HTMLParser):
    """Collects every address a mail program would follow or fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("href", "src", "background", "action") and value]


def part(message, subtype):
    """The decoded text of the one text/SUBTYPE part, or None."""
    found = [p for p in message.walk() if p.get_content_type() == f"text/{subtype}"]
    return found[0].get_content() if len(found) == 1 else None


def describe(raw):
    """What one message is."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    text, markup = part(message, "plain"), part(message, "html")
    links = Links()
    links.feed(markup or "")
    return {
        "size_bytes": len(raw),
        "headers": [[name, str(value)] for name, value in message.items()],
        "raw_headers": re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0].decode("utf-8", "replace"),
        "to": [[a.display_name, a.addr_spec] for a in getattr(message["To"], "addresses", ())],
        "defects": [repr(d) for p in message.walk() for d in p.defects]
        + [f"{name}: {d!r}" for name, value in message.items() for d in getattr(value, "defects", ())],
        "content_types": [p.get_content_type() for p in message.walk()],
        "ascii": raw.isascii(),
        "longest_line": max(len(line) for line in raw.split(b"\r\n")),
        "text": text,
        "html": markup,
        "links": links.found,
    }


def mailbox(port, address):
    """Every message in one mailbox as it lies there, oldest first."""
    with imaplib.IMAP4("127.0.0.1", port, timeout=30) as imap:
        imap.login(address, "any")
        imap.select("INBOX", readonly=True)
        numbers = imap.search(None, "ALL")[1][0].split()
        return [imap.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]


def main():
    """Mailbox by mailbox."""
    addresses = [line.strip() for line in sys.stdin if line.strip()]
    port = int(sys.argv[1])
    json.dump({address: [describe(raw) for raw in mailbox(port, address)] for address in addresses}, sys.stdout)


if __name__ == "__main__":
    main()
