"""What the broker's answers cost: how much of its rate is left while it searches."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from benchmarks.roles import Consumer, Producer
from benchmarks.target import WARM_UP, Figures, Target

IN_FLIGHT = 4000
TURN = 2.0  # seconds with a search, then as many without
HAYSTACK = 500  # messages in a frame
FILL_SECONDS = 600


async def searched(target: Target) -> Figures:
    """Frames of 100 with room, in turns beside a text search that finds nothing in a large queue, and alone."""
    target.declare("orders")
    target.declare("haystack")
    await _store(target, "haystack")
    producer, consumer = Producer("orders", batch=100, window=20), Consumer("orders", prefetch=IN_FLIGHT)
    await asyncio.gather(producer.connect(target.url, target.token), consumer.connect(target.consumers_url, target.token))
    consumer.consume()
    consumer.on_acked = lambda: producer.allow(consumer.acked + IN_FLIGHT)
    producer.allow(IN_FLIGHT)
    await asyncio.sleep(target.seconds * WARM_UP)
    alone: list[float] = []
    beside: list[float] = []
    scanned = 0
    watch = target.watch()
    while watch.seconds < 2 * target.seconds:
        alone.append(await _rate(consumer, asyncio.sleep(TURN)))
        found: dict[str, Any] = {}
        beside.append(await _rate(consumer, asyncio.to_thread(_search, target, found)))
        scanned += found["scanned"]
    if trouble := producer.trouble or consumer.trouble:
        raise RuntimeError(trouble)
    pairs = [b / a for a, b in zip(alone, beside, strict=True)]
    return {
        "ratio": round(statistics.median(pairs), 3),
        "unit": "rate beside a search / rate alone",
        "rate": round(statistics.median(alone)),
        "rate_searching": round(statistics.median(beside)),
        "least": round(min(pairs), 3),
        "most": round(max(pairs), 3),
        "rows_scanned_per_second": round(scanned / (len(beside) * TURN)),
        **watch.shares(),
    }


async def _rate(consumer: Consumer, meanwhile: Any) -> float:
    """Acks per second until that is over."""
    before, start = consumer.acked, time.perf_counter()
    await meanwhile
    return (consumer.acked - before) / (time.perf_counter() - start)


async def _store(target: Target, queue: str) -> None:
    producer = Producer(queue, batch=HAYSTACK, window=8)
    await producer.connect(target.url, target.token)
    producer.allow(target.waiting)
    await producer.until(target.waiting, FILL_SECONDS)
    producer.socket.transport.close()


def _search(target: Target, found: dict[str, Any]) -> None:
    """Until its budget is used up."""
    asked = urlencode({"q": '"not to be found"', "in": "queue:haystack", "budget": TURN})
    headers = {"Authorization": f"Bearer {target.token}"}
    with urlopen(Request(f"{target.url}/api/v1/search?{asked}", headers=headers), timeout=60) as answer:
        found.update(json.load(answer))
    if found["stopped"] != "time":
        raise RuntimeError(f"the search ended by itself, after {found['scanned']} messages: more must be --waiting")
