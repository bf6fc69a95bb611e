"""A WebSub subscriber made with Flask-WebSub, on a free port of loopback.

usage: websub_subscriber.py FOLDER

Takes commands on stdin, one a line: "subscribe FEED" finds the feed's hub and
subscribes there with a secret, "unsubscribe" ends it. Says what happens on
stdout, one JSON object a line: {"event": "subscribe" | "unsubscribe" |
"denied" | "content", …}.
"""

import json
import logging
import sys
import threading

import feedparser
import flask_websub.subscriber as websub
from flask import Flask
from werkzeug.serving import make_server


def say(**event):
    print(json.dumps(event), flush=True)


def main():
    logging.disable(logging.WARNING)
    # Secrets are for https; here nothing leaves the machine, and the signature is what we want to see.
    websub.is_secure = lambda url: True
    storage = sys.argv[1] + "/subscriber.sqlite3"
    subscriber = websub.Subscriber(websub.SQLite3SubscriberStorage(storage), websub.SQLite3TempSubscriberStorage(storage))
    app = Flask(__name__)
    app.register_blueprint(subscriber.build_blueprint(url_prefix="/callbacks"))
    subscriber.add_success_handler(lambda topic, callback, mode: say(event=mode, topic=topic))
    subscriber.add_error_handler(lambda topic, callback, reason: say(event="denied", topic=topic, reason=reason))
    subscriber.add_listener(
        lambda topic, callback, body: say(event="content", topic=topic, titles=[entry.title for entry in feedparser.parse(body).entries])
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    app.config["SERVER_NAME"] = f"127.0.0.1:{server.port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(event="up")
    callback = None
    for line in sys.stdin:
        command, _, feed = line.strip().partition(" ")
        with app.app_context():
            if command == "subscribe":
                callback = subscriber.subscribe(lease_seconds=3600, **websub.discover(feed))
            else:
                subscriber.unsubscribe(callback)


main()
