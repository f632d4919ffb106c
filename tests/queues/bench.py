"""A queue and a clock for tests of the verbs: real SQLite, time passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from brokerweb.core import clock
from brokerweb.queues import browse, control, engine, leasing
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import Leased, NewMessage, Settle
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.storage.run import perform


class Time(clock.Clock):
    """A clock that stands still until moved."""

    def __init__(self, start: int = 1_800_000_000 * clock.SECOND) -> None:
        super().__init__(0)
        self.at = start

    def now(self) -> int:
        return self.at

    def follow(self) -> None:
        """The wall is where ``set_wall`` has put it, and shows the same before that."""

    def set_wall(self, ahead: float) -> int:
        """So many seconds ahead of this clock; what it shows."""
        self.difference = clock.seconds(ahead)
        self.steps.append(clock.Step(self.at, self.difference))
        return self.at + self.difference

    def advance(self, seconds: float) -> int:
        self.at += clock.seconds(seconds)
        return self.at


class Bench:
    """One queue to act upon; every call is a commit of its own."""

    def __init__(self, name: str = "orders", **settings: Any) -> None:
        self.name = name
        perform(control.declare, name, settings)

    @property
    def row(self) -> Queue:
        return browse.find(self.name)

    def publish(self, *bodies: object, **fields: Any) -> list[int]:
        messages = [NewMessage(str(body).encode(), **fields) for body in bodies]
        return [accepted.id for accepted in perform(engine.publish, self.name, messages)]

    def lease(self, limit: int = 1) -> list[Leased]:
        return perform(leasing.lease, self.name, limit, Terms("test")).messages

    def settle(self, kind: Any, messages: Sequence[Leased], **fields: Any) -> list[str]:
        settles = [Settle(kind, m.receipt or "", **fields) for m in messages]
        return [settled.status for settled in perform(engine.settle, settles)]

    def kill(self, *bodies: object, **fields: Any) -> list[int]:
        """Publish messages and have each rejected; nothing else may be ready."""
        ids = self.publish(*bodies, **fields)
        while leased := self.lease(500):
            self.settle("dead", leased, error="bad")
        return ids

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return perform(verb, self.name, *args, **kwargs)

    def counts(self) -> dict[str, int]:
        """The states that are not empty, checked against the rows themselves."""
        counted = browse.counts([self.row.pk])[self.row.pk]
        stored = [Message.objects.filter(queue_id=self.row.pk, state=State[state.upper()]).count() for state in counted]
        assert list(counted.values()) == stored
        return {state: n for state, n in counted.items() if n}

    def order(self) -> list[int]:
        """The ids in the order in which they would be handed out."""
        ready = Message.objects.filter(queue_id=self.row.pk, state=State.READY)
        return list(ready.order_by("-priority", "position").values_list("pk", flat=True))


def states(*ids: int) -> list[str]:
    """The states of messages; "gone" where there is none."""
    found = dict(Message.objects.filter(pk__in=ids).values_list("pk", "state"))
    return [State(found[i]).name.lower() if i in found else "gone" for i in ids]
