"""Polls a feed with feedparser, as its users do, and says what came as JSON.

usage: poll_feed.py FEED TIMES

Polls TIMES times with the validators it was given the time before and prints
{"statuses": […], "bozo": …}. Then, at each line on stdin, once more, and
prints {"status": …, "titles": […], "bozo": …}.
"""

import json
import sys

import feedparser


def main():
    address, times = sys.argv[1], int(sys.argv[2])
    feed, statuses, bozo = None, [], False
    for _ in range(times):
        feed = poll(address, feed)
        statuses.append(feed.status)
        bozo = bozo or bool(feed.bozo and feed.entries)
    print(json.dumps({"statuses": statuses, "bozo": bozo}), flush=True)
    for _ in sys.stdin:
        feed = poll(address, feed)
        titles = [entry.title for entry in feed.entries]
        print(json.dumps({"status": feed.status, "titles": titles, "bozo": bool(feed.bozo)}), flush=True)


def poll(address, last):
    if last is None:
        return feedparser.parse(address)
    return feedparser.parse(address, etag=last.get("etag"), modified=last.get("modified"))


main()
