"""Verifies the DKIM signatures of mails in their mailboxes with dkimpy, as JSON on stdout.

usage: verify_dkim.py PORT < {"addresses": […], "records": {name: TXT}}

Each mail is judged as it lies there, and three copies of it that somebody
changed on the way. For each there is one answer a signature, from the top:
true, false, or dkimpy's complaint.
"""

import json
import re
import sys

import dkim
from read_mailboxes import mailbox


def change(raw, pattern, new):
    """The mail with one place changed, which must be there."""
    changed, times = re.subn(pattern, new, raw, count=1, flags=re.MULTILINE)
    assert times == 1 and changed != raw, pattern
    return changed


def body_byte(raw):
    """The mail with one letter of its body another."""
    head, body = raw.split(b"\r\n\r\n", 1)
    at = len(body) // 2
    while not body[at : at + 1].isalpha():
        at += 1
    other = b"x" if body[at : at + 1] != b"x" else b"y"
    return head + b"\r\n\r\n" + body[:at] + other + body[at + 1 :]


def verdicts(raw, records):
    """What dkimpy says of each signature."""
    dnsfunc = lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None
    found = []
    for number in range(len(re.findall(rb"^DKIM-Signature:", raw.split(b"\r\n\r\n", 1)[0], re.MULTILINE | re.IGNORECASE))):
        try:
            found.append(dkim.DKIM(raw, minkey=2048).verify(idx=number, dnsfunc=dnsfunc))
        except dkim.DKIMException as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def judge(raw, records):
    """The mail and its changed copies."""
    copies = {
        "arrived": raw,
        "body": body_byte(raw),
        "subject": change(raw, rb"^Subject: .", b"Subject: Z"),
        "unsubscribe": change(raw, rb"^(List-Unsubscribe:\s*<https?://)", rb"\1evil."),
    }
    return {name: verdicts(copy, records) for name, copy in copies.items()}


def main():
    """Mailbox by mailbox."""
    asked = json.load(sys.stdin)
    port = int(sys.argv[1])
    answer = {address: [judge(raw, asked["records"]) for raw in mailbox(port, address)] for address in asked["addresses"]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
