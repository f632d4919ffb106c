"""What the demo declares, and what is in it before the first consumer comes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from brokerweb.management.demo.client import Client, Json

COUNTRIES = ("DE", "FR", "IT", "PL", "SE", "US")
TENANTS = ("globex", "initech", "umbrella", "hooli")
SOURCES = ("shop-web", "shop-app", "partner-api")
FAST = {"initial": 0.2, "factor": 1.5, "max": 2}
QUEUES: dict[str, Json] = {
    "orders": {"max_failures": 12, "backoff": {"initial": 10, "factor": 2, "max": 300}, "search": ["$.order.id"]},
    "payments": {"keyed": True, "max_failures": 50, "backoff": {"initial": 20, "factor": 1, "max": 20}},
    "webhooks": {"lease": 30},
    "emails": {"max_failures": 2, "backoff": FAST},
    "receipts": {"max_failures": 2, "backoff": FAST},
    "thumbnails": {"max_failures": 3, "backoff": FAST},
    "reports": {},
    "invoices": {},
    "exports": {"max_length": 25},
}
BINDINGS = (
    ("order.placed", "queue:orders"),
    ("order.placed", "queue:payments"),
    ("order.placed", "stream:events"),
    ("order.paid", "queue:emails"),
    ("order.paid", "queue:receipts"),
    ("order.paid", "stream:events"),
)
GROUPS: dict[str, Json] = {
    "billing": {"start": "earliest"},
    "analytics": {"start": "earliest"},
    "audit": {"start": "earliest"},
    "search-index": {"kind": "shared", "start": "earliest", "max_failures": 20, "backoff": {"initial": 5, "factor": 1, "max": 5}},
}
BLOCKED = "acct-0"  # the account whose payments wait behind one that fails
POISON = "12,50 EUR"  # the total that no worker can read


@dataclass(frozen=True)
class Names:
    """The names of the scene, behind a prefix where others live beside it."""

    prefix: str = ""

    def __call__(self, name: str) -> str:
        return self.prefix + name

    def to(self, destination: str) -> str:
        kind, _, name = destination.partition(":")
        return f"{kind}:{self(name)}"


async def declare(client: Client, names: Names) -> None:
    """Queues, the stream with its groups, and the topic that leads to them. Raises Refused."""
    for queue, settings in QUEUES.items():
        await client.call("PUT", f"/queues/{names(queue)}", settings)
    await client.call("PUT", f"/streams/{names('events')}", {"partitions": 3})
    for group, settings in GROUPS.items():
        await client.call("PUT", f"/streams/{names('events')}/groups/{group}", settings)
    bindings = [{"pattern": pattern, "to": names.to(to)} for pattern, to in BINDINGS]
    await client.call("PUT", f"/topics/{names('shop')}", {"bindings": bindings})


async def remove(client: Client, names: Names) -> None:
    """Everything that ``declare`` made, with all that is in it; what is gone already is no error."""
    places = [f"/topics/{names('shop')}", *(f"/queues/{names(queue)}" for queue in QUEUES), f"/streams/{names('events')}"]
    for place in places:
        await client.forget(place)


async def fill(client: Client, names: Names, rng: random.Random) -> int:
    """What waits before anybody works: a backlog, a full queue, a paused one, one that nobody reads; how many messages."""
    sent = 0
    for queue, n in (("webhooks", 28), ("invoices", 64), ("reports", 41), ("exports", 25), ("thumbnails", 37)):
        messages = [_side_message(queue, at, rng) for at in range(n)]
        await client.named("nightly-batch").call("POST", f"/queues/{names(queue)}/messages", {"messages": messages})
        sent += n
    await client.call("POST", f"/queues/{names('reports')}/pause", {"reason": "the figures of November are wrong"})
    records = [{"body": _order(at, rng), "key": f"acct-{at % 40}", "headers": _headers(rng)} for at in range(600)]
    await client.named("import").call("POST", f"/streams/{names('events')}/records", {"records": records})
    await client.named("shop-api").call("POST", f"/queues/{names('orders')}/messages", {"messages": [poison()]})
    return sent + len(records) + 1


def poison() -> Json:
    """The message that every worker fails on."""
    order = {"id": "ORD-20041", "total": POISON, "country": "IT"}
    return {"body": {"order": order}, "key": "acct-7", "headers": {"tenant": "hooli", "source": "partner-api"}}


def orders(rng: random.Random) -> Iterator[tuple[str, Json]]:
    """Routing keys and messages without end: every order that is placed is paid a little later."""
    placed = 0
    while True:
        placed += 1
        key = BLOCKED if placed % 12 == 0 else f"acct-{rng.randrange(1, 40)}"
        message = {"body": {"order": _order(placed, rng)}, "key": key, "headers": _headers(rng)}
        yield "order.placed", message | {"correlation_id": f"cart-{placed}"}
        yield "order.paid", message | {"correlation_id": f"cart-{placed}"}


def _order(at: int, rng: random.Random) -> Json:
    items = [{"sku": f"SKU-{rng.randrange(100, 999)}", "qty": rng.randrange(1, 5)} for _ in range(rng.randrange(1, 4))]
    return {"id": f"ORD-{30_000 + at}", "total": round(rng.uniform(5, 400), 2), "country": rng.choice(COUNTRIES), "items": items}


def _headers(rng: random.Random) -> dict[str, str]:
    return {"tenant": rng.choice(TENANTS), "source": rng.choice(SOURCES)}


def _side_message(queue: str, at: int, rng: random.Random) -> Json:
    bodies: dict[str, Any] = {
        "webhooks": {
            "url": f"https://{rng.choice(TENANTS)}.example/hook",
            "event": "order.shipped",
            "order": f"ORD-{20_000 + at}",
        },
        "invoices": {"invoice": f"INV-{at:05}", "total": round(rng.uniform(20, 900), 2)},
        "reports": {"report": "revenue", "day": f"2026-11-{at % 30 + 1:02}"},
        "exports": {"export": "customers", "tenant": rng.choice(TENANTS)},
        "thumbnails": {"image": f"/uploads/{rng.randrange(16**6):06x}.{'heic' if at % 3 else 'jpg'}", "width": 320},
    }
    return {"body": bodies[queue], "headers": _headers(rng)}
