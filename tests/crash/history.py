"""What the clients of one run sent and saw, as the checkers need it. Times are this machine's monotonic seconds.

The broker runs on the same machine, so its clock that does not jump and this one run alike: a lease that a client received
at ``t`` ends at ``t + lease`` at the latest, whatever the wall clock says.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
NOTICE_SECONDS = 5.0  # how much later than the broker a client may notice that its connection ended


def digest(uid: str, pad: str) -> int:
    """What a body carries about itself, so that a damaged or foreign one is seen."""
    return zlib.crc32(f"{uid}:{pad}".encode())


@dataclass
class Publish:
    """One message somebody meant to publish, over all its attempts with one ``dedup_id``."""

    uid: str
    queue: str
    key: str | None
    dedup_id: str | None
    poison: bool = False
    outcome: str = UNKNOWN
    ids: set[str] = field(default_factory=set)  # every id the broker answered with
    made: float = field(default_factory=time.monotonic)
    confirmed: float | None = None  # when the first of these came


@dataclass
class Delivery:
    """One message as it reached a client."""

    id: str
    uid: str
    queue: str
    key: str | None
    attempts: int
    failures: int
    receipt: str | None
    intact: bool
    connection: str
    epoch: int  # how many outages came before the connection was opened, or the request sent
    at: float
    published_at: int  # the broker's microseconds, where the wall is not set; here where it is
    lease_until: int | None
    lease: float | None

    @property
    def lease_from(self) -> int:
        """When the lease began, by the broker's clock."""
        assert self.lease_until is not None
        assert self.lease is not None
        return self.lease_until - round(self.lease * 1_000_000)


@dataclass
class Settle:
    """One receipt somebody tried to settle or extend."""

    kind: str
    receipt: str
    sent: float
    answered: float | None = None
    status: str = UNKNOWN  # "ok", an error code, or unknown
    lease_until: int | None = None  # what an extend answered with
    lease: float | None = None  # what an extend asked for


@dataclass
class Dead:
    """One message the broker lists as dead at the end."""

    id: str
    uid: str
    queue: str
    reason: str | None
    attempts: int
    failures: int


class History:
    """The record of one run; every method may be called from any thread."""

    def __init__(self) -> None:
        self.publishes: dict[str, Publish] = {}
        self.deliveries: list[Delivery] = []
        self.settles: list[Settle] = []
        self.dead: list[Dead] = []
        self.closed: dict[str, float] = {}  # when a connection ended, or began to
        self.freezes: list[tuple[float, float]] = []  # the server did not run
        self.faults: list[tuple[float, float]] = []  # of a cluster: something failed, and was not yet what it had been
        self.max_failures: dict[str, int] = {}
        self.keyed: set[str] = set()
        self.at_most_once: set[str] = set()
        self.keeping: set[str] = set()  # queues that keep what was settled, and their whole history
        self.kept: list[str] = []  # ids of acknowledged messages that they have at the end
        self.unexpected: list[str] = []  # answers that no client should ever get
        self.slow: list[str] = []
        self.outages: list[float] = []
        self.wall_at_zero = (
            time.time() - time.monotonic()
        )  # what this machine's wall, which nobody sets, shows at zero of the other
        self.stepped = False  # the server's wall is set by whole hours now and then, and this run takes less than half of one
        self._lock = threading.Lock()

    # --- what happened ---

    def told(self, instant: str) -> int:
        """An instant as the broker named it, by this machine's wall, in microseconds."""
        at = datetime.fromisoformat(instant).timestamp()
        ahead = round((at - time.time()) / 3600) * 3600 if self.stepped else 0
        return round((at - ahead) * 1_000_000)

    def publishing(self, publish: Publish) -> Publish:
        with self._lock:
            return self.publishes.setdefault(publish.uid, publish)

    def published(self, publish: Publish, id: str) -> None:
        with self._lock:
            publish.outcome = OK
            publish.ids.add(id)
            publish.confirmed = publish.confirmed or time.monotonic()

    def delivered(self, delivery: Delivery) -> None:
        with self._lock:
            self.deliveries.append(delivery)

    def settling(self, settle: Settle) -> Settle:
        with self._lock:
            self.settles.append(settle)
        return settle

    def complain(self, text: str) -> None:
        with self._lock:
            self.unexpected.append(text)

    def took(self, what: str, seconds: float) -> None:
        """Note an answer that took longer than any should (C9)."""
        if seconds > 30:
            with self._lock:
                self.slow.append(f"{what} took {seconds:.1f} s")

    def ended(self, connection: str, *, noticed: bool = False) -> None:
        """A connection is about to be ended by its client, or (``noticed``) was found ended, which others may see earlier."""
        with self._lock:
            self.closed.setdefault(connection, time.monotonic() - (NOTICE_SECONDS if noticed else 0))

    def outage(self) -> None:
        """The server's process is gone."""
        with self._lock:
            self.outages.append(time.monotonic())

    @property
    def epoch(self) -> int:
        """How many outages there were."""
        return len(self.outages)

    # --- what it comes to ---

    def deliveries_by_id(self) -> dict[str, list[Delivery]]:
        """Every message's deliveries, in the order of their attempts."""
        by_id: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in self.deliveries:
            by_id[delivery.id].append(delivery)
        return {id: sorted(several, key=lambda d: d.attempts) for id, several in by_id.items()}

    def settles_by_receipt(self) -> dict[str, list[Settle]]:
        by_receipt: dict[str, list[Settle]] = defaultdict(list)
        for settle in self.settles:
            by_receipt[settle.receipt].append(settle)
        return by_receipt

    def summary(self) -> dict[str, Any]:
        """The run in numbers, for the log and against runs that did nothing."""
        return {
            "published": sum(p.outcome == OK for p in self.publishes.values()),
            "unknown": sum(p.outcome == UNKNOWN for p in self.publishes.values()),
            "delivered": len(self.deliveries),
            "again": sum(d.attempts > 1 for d in self.deliveries),
            "acked": sum(s.kind == "ack" and s.status == OK for s in self.settles),
            "lease_lost": sum(s.status == "lease_lost" for s in self.settles),
            "dead": len(self.dead),
            "outages": self.epoch,
        }
