"""A stream and a shared group on it: verbs in a commit each, the books of stream and queue checked after every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brokerweb.core import events
from brokerweb.handout import lease as leasing
from brokerweb.handout import trimming
from brokerweb.queues import bulk, duties, engine
from brokerweb.queues.leasing import Terms, Want
from brokerweb.queues.messages import Leased, Settle
from brokerweb.queues.models import Message, Queue
from brokerweb.storage import reading as storage
from brokerweb.streams import group_objects, groups, positions
from brokerweb.streams.positions import Move
from tests.contract.store import NO_JITTER, Store
from tests.contract.streams import Log
from tests.queues.bench import Time


class Share:
    """``log`` is the stream, ``store`` the queues' side of the same database."""

    def __init__(self, partitions: int = 1, **settings: Any) -> None:
        self.time = Time()
        self.store = Store(self.time)
        self.log = Log(self.time, partitions=partitions)
        self.outcome = events.Outcome()
        self.trimming = trimming.Trimming()
        given = {"kind": "shared", "start": "earliest", "backoff": NO_JITTER, **settings}
        self.log.do(groups.declare_group, "events", "workers", given)

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = self.log.do(verb, *args, **kwargs)
        self.outcome = self.log.outcome
        self.store.check_books()
        return result

    @property
    def queue(self) -> Queue:
        found = storage.read(groups.find_group, "events", "workers")
        assert found.queue_id is not None
        return Queue.objects.get(pk=found.queue_id)

    def store_messages(self) -> list[Message]:
        """What the group's queue holds."""
        return list(Message.objects.filter(queue_id=self.queue.pk).order_by("pk"))

    @property
    def shown(self) -> dict[str, Any]:
        return storage.read(group_objects.describe, "events", "workers")

    @property
    def counts(self) -> dict[str, int]:
        return {state: n for state, n in self.shown["counts"].items() if n}

    @property
    def committed(self) -> dict[str, str]:
        return dict(self.shown["committed"])

    def append(self, *bodies: object, **fields: Any) -> None:
        self.log.append(*bodies, **fields)

    def lease(self, limit: int = 1, *, lease: float | None = None, acknowledge: bool = True) -> list[Leased]:
        terms = Terms("worker", lease, acknowledge)
        return self.do(leasing.lease, self.queue.pk, limit, terms).messages

    def round(self, *limits: int) -> tuple[list[list[Leased]], bool]:
        wants = [Want(limit, Terms(f"worker-{n}")) for n, limit in enumerate(limits)]
        parts, rest = self.do(leasing.lease_round, self.queue.pk, wants)
        return parts, rest.more

    def settle(self, kind: Any, *messages: Leased, **fields: Any) -> list[str]:
        settles = [Settle(kind, str(m.receipt), **fields) for m in messages]
        return [answer.status for answer in self.do(engine.settle, settles)]

    def ack(self, *messages: Leased) -> list[str]:
        return self.settle("ack", *messages)

    def pass_time(self, seconds: float) -> None:
        self.time.advance(seconds)
        for duty in (duties.promote, duties.expire_leases):
            while self.do(duty, 500):
                pass

    def seek(self, to: Any, **options: Any) -> list[Move]:
        return self.do(positions.seek, "events", "workers", to, **options)

    def undo(self) -> list[Move]:
        return self.do(positions.undo, "events", "workers")

    def retain(self) -> int:
        """Retention, and what it means for the group; how many unfinished records it took."""
        self.log.retain()
        found = storage.read(self.trimming.overtaken)
        return sum(self.do(trimming.trim, overtaken.queue_id, ids) for overtaken in found for ids in overtaken.batches())

    def redrive(self, **filters: Any) -> int:
        from brokerweb.queues.filters import parse

        chosen = parse({"state": "dead", **filters})
        return self.do(bulk.redrive, self.queue.pk, chosen)

    def drain(self, limit: int = 100) -> list[tuple[int, int]]:
        """The places in the order in which they are handed out; all are acknowledged."""
        seen: list[tuple[int, int]] = []
        while leased := self.lease(limit):
            seen += places(leased)
            self.ack(*leased)
        return seen


def places(messages: list[Leased]) -> list[tuple[int, int]]:
    """Partition and offset of each."""
    return [m.place for m in messages if m.place is not None]


def offsets(messages: list[Leased]) -> list[int]:
    return [offset for _, offset in places(messages)]
