"""Says who wrote each entry of many feeds, and what it says, as feedparser sees it.

usage: feedparser_truth.py FOLDER

Reads every file that FOLDER/expected.json names and prints one JSON object:
file -> [{"author": ..., "content": ...}, ...], an entry each. The content is the
first one, or the summary of an entry that has none.
"""

import json
import pathlib
import sys

import feedparser


def main():
    folder = pathlib.Path(sys.argv[1])
    files = json.loads((folder / "expected.json").read_text())
    print(json.dumps({file: entries(folder / file) for file in files}))


def entries(file):
    return [
        {"author": entry.get("author") or "", "content": content(entry)}
        for entry in feedparser.parse(file.read_bytes()).entries
    ]


def content(entry):
    first = (entry.get("content") or [{}])[0].get("value")
    return first or entry.get("summary") or ""


main()
