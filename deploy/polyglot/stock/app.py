"""Says how many of an item are in stock. It knows nothing of tenhop."""

import logging
import os
import sqlite3
import threading
import time

from flask import Flask, jsonify

app = Flask(__name__)
log = logging.getLogger("stock")
workers = {True: threading.Semaphore(1), False: threading.Semaphore(16)}


def fault():
    """The fault of this service, as a kind and milliseconds."""
    try:
        with open(os.environ["FAULT_FILE"]) as f:
            kind, ms = f.read().split()
            return kind, int(ms)
    except (OSError, ValueError):
        return "none", 0


def query(item, ms):
    db = sqlite3.connect(":memory:")
    db.create_function("pause", 1, lambda n: time.sleep(n / 1000) or 1)
    cursor = db.cursor()
    cursor.execute("SELECT pause(?), length(?)", (ms, item))
    row = cursor.fetchone()
    db.close()
    return row[1]


@app.get("/stock/<item>")
def stock(item):
    kind, ms = fault()
    with workers[kind == "pool"]:
        time.sleep((ms if kind == "pool" else 5) / 1000)
    if kind == "latency":
        time.sleep(ms / 1000)
    count = query(item, ms if kind == "query" else 3)
    if kind == "errors":
        log.error("stock of %s is not known", item)
        return jsonify(error="stock is not known"), 500
    return jsonify(item=item, count=count)


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]), threaded=True)
