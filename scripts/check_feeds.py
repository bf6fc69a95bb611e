#!/usr/bin/env python3
"""Reads feeds with feedparser and says of each whether a reader can.

    check_feeds.py PUBLIC_FOLDER [--entries N]
    check_feeds.py https://example.org/rss.xml …

Every RSS and Atom document must be well-formed (feedparser's bozo is 0), every entry must have an id, a link, a title and a date
or be known to have none, ids must be unique, and every JSON Feed must be valid to 1.1. With --entries, the feeds at the site's
root must have exactly N entries. One line a feed; exit status 1 when one fails, 2 when there is nothing to check.

Needs: pip install feedparser
"""

import argparse
import json
import pathlib
import sys
import urllib.request

import feedparser

NAMES = ("rss.xml", "atom.xml", "feed.json")
VERSIONS = ("https://jsonfeed.org/version/1", "https://jsonfeed.org/version/1.1")


def main():
    arguments = parse_arguments()
    sources = list(find(arguments.sources))
    if not sources:
        print("no feeds found", file=sys.stderr)
        return 2
    failed = 0
    for source, is_root in sources:
        faults, count = check(source)
        if is_root and arguments.entries is not None and count != arguments.entries:
            faults.append(f"{count} entries, expected {arguments.entries}")
        print(f"{'FAIL' if faults else 'ok  '} {count:5} entries  {source}" + "".join(f"\n       {fault}" for fault in faults))
        failed += bool(faults)
    print(f"{len(sources) - failed} passed, {failed} failed")
    return 1 if failed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", help="folders of a built site, files, or addresses")
    parser.add_argument("--entries", type=int, help="entries the feeds at the root must have")
    return parser.parse_args()


def find(sources):
    """Each feed, and whether it lies at a site's root."""
    for source in sources:
        path = pathlib.Path(source)
        if source.startswith(("http://", "https://")):
            yield source, True
        elif path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.name in NAMES:
                    yield file, file.parent == path
        else:
            yield path, True


def check(source):
    """The faults of one feed, and how many entries it has."""
    data = read(source)
    if data.lstrip().startswith(b"{"):
        return check_json(data)
    return check_xml(data)


def read(source):
    if isinstance(source, pathlib.Path):
        return source.read_bytes()
    with urllib.request.urlopen(source, timeout=30) as response:
        return response.read()


def check_xml(data):
    feed = feedparser.parse(data)
    faults = []
    if feed.bozo:
        faults.append(f"not well-formed: {feed.get('bozo_exception')}")
    if not feed.version:
        faults.append("not a feed")
    if not feed.feed.get("title"):
        faults.append("the feed has no title")
    expected = data.count(b"<item>") + data.count(b"<entry>")
    # Content travels escaped or in CDATA, where these tags may occur too; never fewer than were written.
    if len(feed.entries) > expected:
        faults.append(f"{len(feed.entries)} entries read, at most {expected} written")
    for entry in feed.entries:
        # A title that is all markup ("<b>") is read as empty from RSS, which cannot say that it is text.
        missing = [key for key in ("id", "link") if not entry.get(key)] + ["title"] * ("title" not in entry)
        if missing:
            faults.append(f"entry {entry.get('id')!r} has no {', '.join(missing)}")
        for key in ("published", "updated"):
            if entry.get(key) and not entry.get(f"{key}_parsed"):
                faults.append(f"entry {entry.get('id')!r}: {key} {entry[key]!r} is no date")
    return faults + duplicates(entry.get("id") for entry in feed.entries), len(feed.entries)


def check_json(data):
    feed = json.loads(data)
    items = feed.get("items", [])
    faults = []
    if feed.get("version") not in VERSIONS:
        faults.append(f"version is {feed.get('version')!r}")
    if not feed.get("title"):
        faults.append("the feed has no title")
    for item in items:
        if not isinstance(item.get("id"), str) or not item["id"]:
            faults.append("an item has no id")
        if not (item.get("content_html") or item.get("content_text")):
            faults.append(f"item {item.get('id')!r} has no content")
    return faults + duplicates(item.get("id") for item in items), len(items)


def duplicates(ids):
    seen = set()
    return [f"id {id!r} twice" for id in ids if id in seen or seen.add(id)]


if __name__ == "__main__":
    sys.exit(main())
