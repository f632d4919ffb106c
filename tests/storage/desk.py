"""A committer to hand verbs to, and verbs that leave a trace in a table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from brokerweb.core.errors import Conflict
from brokerweb.queues.models import Dedup
from brokerweb.storage.calls import Call, Place
from brokerweb.storage.committer import Committer
from brokerweb.storage.statements import Statement
from brokerweb.storage.transaction import Transaction

PUT = Statement("put", ("name",))
PUT.add(None, "INSERT INTO brokerweb_queues_dedup (queue_id, dedup_id, message_id, expires_at) VALUES (1, :name, 1, 1)")
WAIT = 20


def put(tx: Transaction, name: str) -> str:
    tx.change(PUT, name)
    return name


def refuse(tx: Transaction) -> None:
    raise Conflict("before it wrote")


def put_and_refuse(tx: Transaction, name: str) -> None:
    tx.change(PUT, name)
    raise Conflict("after it wrote")


def break_down(tx: Transaction) -> None:
    raise ZeroDivisionError


def stored() -> list[str]:
    return sorted(Dedup.objects.values_list("dedup_id", flat=True))


class Desk:
    """``hold`` keeps the committer busy, so that what is handed in meanwhile becomes one batch."""

    def __init__(self, kind: Callable[..., Any] = Committer, **options: Any) -> None:
        self.delivered: list[list[Call]] = []
        self.committer = kind(self._deliver, **options)
        self.committer.start()
        self._answered: dict[int, threading.Event] = {}

    def hand_in(self, verb: Callable[..., Any], *args: Any, cost: int | None = None, place: Place | None = None) -> Call:
        call = Call(verb, args, {}, lambda _: None, place)
        if cost is not None:
            call.cost = cost
        self._answered[id(call)] = threading.Event()
        self.committer.submit(call)
        return call

    def hold(self) -> Callable[[], None]:
        """Keep the committer in a verb until the returned function is called."""
        inside, go_on = threading.Event(), threading.Event()

        def wait(tx: Transaction) -> None:
            inside.set()
            assert go_on.wait(WAIT)

        self.hand_in(wait)
        assert inside.wait(WAIT)
        return go_on.set

    def together(self, *verbs: tuple[Any, ...]) -> list[Call]:
        """Run verbs in one batch; they are answered when this returns."""
        go_on = self.hold()
        calls = [self.hand_in(*verb) for verb in verbs]
        go_on()
        return [self.answered(call) for call in calls]

    def answered(self, call: Call) -> Call:
        assert self._answered[id(call)].wait(WAIT), "no answer"
        return call

    def run(self, verb: Callable[..., Any], *args: Any) -> Call:
        return self.answered(self.hand_in(verb, *args))

    def _deliver(self, batch: list[Call]) -> None:
        self.delivered.append(batch)
        for call in batch:
            self._answered[id(call)].set()


def outcomes(calls: list[Call]) -> list[Any]:
    """Each call's result, or its error's code."""
    return [call.error.code if call.error else call.result for call in calls]
