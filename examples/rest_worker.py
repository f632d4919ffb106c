"""A worker over REST alone, with nothing but Python's standard library: long polls, settles in one request, backs off.

    BROKERWEB_TOKEN=bw_… python examples/rest_worker.py orders

Ctrl-C stops it: at once where it waits, else after the message that it handles.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

URL = os.environ.get("BROKERWEB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("BROKERWEB_TOKEN") or sys.exit("set BROKERWEB_TOKEN")
WAIT = 20  # seconds one request waits for a message, at most
stopping, waiting = threading.Event(), threading.Event()


class Stopped(BaseException):
    """Told to stop while there was nothing to do."""


def handle(body: Any) -> None:
    """The work. What it raises is reported, and the message comes again after the queue's backoff."""
    if body == "bad":
        raise ValueError("bad input")
    print(body, flush=True)


def call(path: str, body: Any) -> Any:
    """One request. Raises HTTPError, whose body says why, or URLError when nobody answers."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = Request(f"{URL}/api/v1{path}", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=WAIT + 10) as response:
        return json.load(response)


def receive(queue: str) -> list[dict[str, Any]]:
    """Some messages, or none after a while. Raises Stopped; what is handed out in that moment comes again after its lease."""
    waiting.set()
    try:
        messages: list[dict[str, Any]] = call(f"/queues/{queue}/receive", {"max": 10, "wait": WAIT})["messages"]
        return messages
    finally:
        waiting.clear()


def work(queue: str) -> None:
    """Receive some messages, handle them, and settle them together."""
    messages = receive(queue)
    settles: dict[str, list[Any]] = {"ack": [], "nack": [], "release": []}
    for message in messages:
        receipt = message["receipt"]
        if stopping.is_set():
            settles["release"].append(receipt)  # for somebody else, at once and unharmed
            continue
        try:
            handle(message.get("body"))
        except Exception as error:
            settles["nack"].append({"receipt": receipt, "error": repr(error)})
        else:
            settles["ack"].append(receipt)
    if messages:
        for result in call(f"/queues/{queue}/settle", settles)["results"]:
            if result["status"] != "ok":
                print(result, file=sys.stderr)  # the lease had ended: somebody else has it


def stop(*_: object) -> None:
    stopping.set()
    if waiting.is_set():
        raise Stopped


def main(queue: str) -> None:
    """Work until told to stop. What may be tried again is, after a growing and jittered wait."""
    failed = 0
    while not stopping.is_set():
        try:
            work(queue)
            failed = 0
        except HTTPError as error:
            problem = json.load(error)
            if not problem["retryable"]:
                raise SystemExit(f"{problem['detail']} [{problem['code']}]") from None
            failed += 1
        except (URLError, OSError) as error:
            print(f"{URL}: {error}", file=sys.stderr)
            failed += 1
        stopping.wait(random.uniform(0, min(30, 0.2 * 2**failed)) if failed else 0)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "orders")
    except Stopped:
        pass
