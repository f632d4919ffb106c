"""Squares the numbers of one queue into another: every number once, whoever is killed, whenever that is.

    BROKERWEB_TOKEN=bw_… python worker.py

Needs the queues ``numbers`` and ``squares``, and no package beside Python. Start as many as you like.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

BROKER = os.environ.get("BROKERWEB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("BROKERWEB_TOKEN") or sys.exit("set BROKERWEB_TOKEN")


class Refused(Exception):
    """The broker said no, and will say so again."""


def call(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The broker's answer. While it cannot be reached, or says that later may do, the same call is made again."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{BROKER}/api/v1{path}", json.dumps(body).encode(), headers)
    away = False
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if not problem["retryable"]:
                raise Refused(problem["code"], problem["detail"]) from error
        except (OSError, http.client.HTTPException) as error:
            if not away:
                print(f"{BROKER}: {error}", file=sys.stderr)
            away = True  # it may have acted, or not: the next call finds out
        time.sleep(0.2)


def square(messages: list[dict[str, Any]]) -> None:
    """One commit: the numbers are acknowledged and their squares are there, or neither."""
    results = [{"body": {"number": m["body"], "square": m["body"] ** 2}} for m in messages]
    call(
        "/transact",
        {
            # A receipt names one lease for ever. When the answer was lost and the call is made again, it gets the first answer.
            "dedup_id": messages[0]["receipt"],
            "settle": {"numbers": {"ack": [m["receipt"] for m in messages]}},
            "publish": [{"to": "queue:squares", "messages": results}],
        },
    )


def main() -> None:
    while True:
        messages = call("/queues/numbers/receive", {"max": 5, "wait": 10})["messages"]
        try:
            if messages:
                square(messages)
        except Refused as refused:
            if refused.args[0] != "lease_lost":
                raise
            # A lease ended before the work did: nothing was stored, and the numbers are somebody else's by now.
            print(f"{refused.args[0]}: let go of {len(messages)} numbers", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Refused as refused:
        sys.exit("{1} [{0}]".format(*refused.args))
