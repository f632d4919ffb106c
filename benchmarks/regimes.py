"""The regimes people run: ordinary windows, single messages, several clients, a backlog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.clients import Clients, Consuming, Publishing, clients_of, first_trouble
from benchmarks.roles import Trouble
from benchmarks.target import Figures, Target, steady

AHEAD = 20_000  # messages that publishers may be ahead of the consumers
FILL_SECONDS = 120  # a deadline


@dataclass(frozen=True)
class Regime:
    """So many of each. A publisher has ``window`` frames of ``batch`` messages unconfirmed; a consumer acknowledges what came
    together with one ack, or ``singly``. What is ``stored`` is there before anybody consumes."""

    about: str
    publishers: int = 1
    consumers: int = 1
    batch: int = 100
    window: int = 20
    prefetch: int = 32
    singly: bool = False
    stored: int = 0


# In the order of the first table: the defaults first.
REGIMES = {
    "prefetch_32": Regime("frames of 100, the default prefetch of 32, a backlog"),
    "prefetch_100": Regime("frames of 100, prefetch 100, a backlog", prefetch=100),
    "prefetch_500": Regime("frames of 100, prefetch 500, a backlog", prefetch=500),
    "prefetch_10000": Regime("frames of 100, prefetch 10,000: most are handed over in their publish", prefetch=10_000),
    "crowd": Regime("4 publishers, 8 consumers, single messages, prefetch 32", publishers=4, consumers=8, batch=1, window=16),
    "one_by_one": Regime("1 publisher, 1 consumer, single messages and acks, prefetch 32", batch=1, window=32, singly=True),
    "confirmed": Regime("16 publishers, each waits for every confirm", publishers=16, consumers=0, batch=1, window=1),
    "drain": Regime("draining up to 100,000 that wait, prefetch 2,000", publishers=0, prefetch=2000, stored=100_000),
}

# The two usual kinds of clients, side by side: frames of 100 and acks of what came together, or one message at a time.
KINDS = {
    "publish_batches": Regime("publishing alone, frames of 100", consumers=0),
    "publish_singles": Regime("publishing alone, single messages, 100 unconfirmed", consumers=0, batch=1, window=100),
    "consume_batches": Regime(
        "consuming a backlog, an ack for what came together, prefetch 100", 0, prefetch=100, stored=100_000
    ),
    "consume_singles": Regime(
        "consuming a backlog, an ack a message, prefetch 100", 0, prefetch=100, singly=True, stored=100_000
    ),
}


async def drive(regime: Regime, target: Target) -> Figures:
    """Measure one regime, by the clients of whatever broker the target is."""
    clients = clients_of(target.url)
    await clients.declare(target)
    figures = await (_drain if regime.stored else _steady)(regime, target, clients)
    shape = {name: getattr(regime, name) for name in ("publishers", "consumers", "batch", "prefetch")}
    return {**figures, **shape, "acks": clients.acks} if regime.consumers else {**figures, **shape}


FULL_RATE = REGIMES["prefetch_500"]  # with a backlog: every message is stored, leased and removed
MINUTE = 60.0


async def lasting(target: Target) -> Figures:
    """Full rate for long: the rate of the last minute against that of the first, or of tenths of a time that is shorter."""
    clients = clients_of(target.url)
    await clients.declare(target)
    _, acked, everybody = await _begin(FULL_RATE, target, clients)
    number = round(target.seconds / MINUTE) if target.seconds >= 2 * MINUTE else 10
    rates, watch = list[int](), target.watch()
    for _ in range(number):
        before, began = acked(), time.monotonic()
        await asyncio.sleep(target.seconds / number)
        rates.append(round((acked() - before) / (time.monotonic() - began)))
        _check(everybody)
    of = f"rate at the end / at the beginning, of {target.seconds / number:g} s each"
    return {"ratio": round(rates[-1] / max(1, rates[0]), 2), "unit": of, "rates": rates, **watch.shares()}


async def _steady(regime: Regime, target: Target, clients: Clients) -> Figures:
    """Everybody at once, for a time; the rate of acks, or of confirms where nobody consumes."""
    confirmed, acked, everybody = await _begin(regime, target, clients)
    figures = await steady(target, acked if regime.consumers else confirmed, lambda: first_trouble(everybody))
    return {**figures, "waiting": max(0, confirmed() - acked())} if regime.consumers else figures


Count = Callable[[], int]


async def _begin(regime: Regime, target: Target, clients: Clients) -> tuple[Count, Count, list[Publishing | Consuming]]:
    """Everybody is at it, and a backlog stands where somebody consumes: what was confirmed, what was acknowledged, and who."""
    producing = [clients.publisher(batch=regime.batch, window=regime.window) for _ in range(regime.publishers)]
    consuming = [clients.consumer(prefetch=regime.prefetch, singly=regime.singly) for _ in range(regime.consumers)]
    everybody: list[Publishing | Consuming] = [*producing, *consuming]
    await asyncio.gather(
        *(each.connect(target.url, target.token) for each in producing),
        *(each.connect(target.consumers_url, target.token) for each in consuming),
    )

    def acked() -> int:
        return sum(consumer.acked for consumer in consuming)

    def confirmed() -> int:
        return sum(producer.confirmed for producer in producing)

    def allow() -> None:
        share = (acked() + AHEAD) // regime.publishers if consuming else 10**9
        for producer in producing:
            producer.allow(share)

    for consumer in consuming:
        consumer.on_acked = allow
        consumer.consume()
    allow()
    if consuming:
        await _backlog_stands(confirmed, everybody, target)
    return confirmed, acked, everybody


async def _backlog_stands(confirmed: Callable[[], int], everybody: Sequence[Publishing | Consuming], target: Target) -> None:
    """Until as much was published as publishers may be ahead: a publisher that has only begun takes all of a slow broker."""
    deadline = time.monotonic() + 3 * target.seconds
    while confirmed() < AHEAD and time.monotonic() < deadline:
        _check(everybody)
        await asyncio.sleep(0.01)


async def _drain(regime: Regime, target: Target, clients: Clients) -> Figures:
    """Consume what waits: all of it, or as much as the time allows."""
    number = min(regime.stored, target.waiting)
    filled = await _fill(target, clients, number)
    consuming = [clients.consumer(prefetch=regime.prefetch, singly=regime.singly) for _ in range(regime.consumers)]
    await asyncio.gather(*(each.connect(target.consumers_url, target.token) for each in consuming))
    watch = target.watch()
    for consumer in consuming:
        consumer.consume()

    def acked() -> int:
        return sum(consumer.acked for consumer in consuming)

    while acked() < number and watch.seconds < target.seconds:
        _check(consuming)
        await asyncio.sleep(0.002)
    drained, shares = acked(), watch.shares()
    rate = round(drained / shares["seconds"])
    return {"rate": rate, "unit": "messages/s", "drained": drained, "stored": number, "fill_rate": round(filled), **shares}


async def _fill(target: Target, clients: Clients, number: int) -> float:
    """Publish ``number`` messages, a multiple of 100; the rate."""
    producer = clients.publisher(batch=100, window=40)
    await producer.connect(target.url, target.token)
    start = time.monotonic()
    producer.allow(number)
    while producer.confirmed < number:
        _check([producer])
        if time.monotonic() > start + FILL_SECONDS:
            raise Trouble(f"{producer.confirmed} of {number} confirmed")
        await asyncio.sleep(0.002)
    return number / (time.monotonic() - start)


def _check(everybody: Sequence[Publishing | Consuming]) -> None:
    if trouble := first_trouble(list(everybody)):
        raise Trouble(trouble)
