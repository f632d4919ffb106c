"""The words conversations are written in. Each makes one step: plain data that the driver of any face can perform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One thing to do, ``by`` whom where that matters, and the code it is refused with, if it is."""

    verb: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    by: str = "somebody"
    queue: str = "queue"
    refusal: str | None = None


@dataclass(frozen=True)
class Conversation:
    """Steps in order. It starts with a queue of its own, declared with ``settings``."""

    says: str
    settings: Mapping[str, Any]
    steps: tuple[Step, ...]


def conversation(says: str, *steps: Step, **settings: Any) -> Conversation:
    return Conversation(says, settings, steps)


def refused(code: str, step: Step) -> Step:
    """The step is refused, with this code and its status."""
    return replace(step, refusal=code)


# Messages: a body stands for its message; bodies are different in a conversation


def message(body: Any, **fields: Any) -> Json:
    """A message, to be published or expected; expected ones may have more fields than are named."""
    return {"body": body, **fields}


def _messages(items: tuple[Any, ...], shared: Mapping[str, Any]) -> list[Json]:
    return [{**(item if isinstance(item, dict) else message(item)), **shared} for item in items]


# What faces of messages do


def publish(*items: Any, queue: str = "queue", duplicates: tuple[bool, ...] = (), **shared: Any) -> Step:
    return Step("publish", {"messages": _messages(items, shared), "duplicates": duplicates}, queue=queue)


def take(*expected: Any, by: str = "somebody", queue: str = "queue", paused: bool = False, **terms: Any) -> Step:
    """Be handed exactly ``expected``, in this order. Terms are max, wait, lease and ack."""
    return Step("take", {"expected": _messages(expected, {}), "paused": paused, "terms": terms}, by, queue)


def wait(*, by: str = "somebody", **terms: Any) -> Step:
    """Begin to wait for messages."""
    return Step("wait", {"terms": terms}, by)


def arrives(*expected: Any, by: str = "somebody") -> Step:
    """What was waited for."""
    return Step("arrives", {"expected": _messages(expected, {})}, by)


def _settle(kind: str, bodies: tuple[Any, ...], status: str, **more: Any) -> Step:
    return Step("settle", {"kind": kind, "bodies": bodies, "status": status, **more})


def ack(*bodies: Any, status: str = "ok", hand_out: int = -1) -> Step:
    """``hand_out`` says which of a message's receipts: the latest, or from the first on."""
    return _settle("ack", bodies, status, hand_out=hand_out)


def release(*bodies: Any, status: str = "ok", hand_out: int = -1) -> Step:
    return _settle("release", bodies, status, hand_out=hand_out)


def nack(*bodies: Any, status: str = "ok", hand_out: int = -1, **item: Any) -> Step:
    return _settle("nack", bodies, status, hand_out=hand_out, item=item)


def dead(*bodies: Any, status: str = "ok", hand_out: int = -1, **item: Any) -> Step:
    return _settle("dead", bodies, status, hand_out=hand_out, item=item)


def extend(*bodies: Any, status: str = "ok", hand_out: int = -1, **item: Any) -> Step:
    return _settle("extend", bodies, status, hand_out=hand_out, item=item)


def settle_strangers(*receipts: str) -> Step:
    """Receipts that are nobody's are lost, each by itself."""
    return Step("strangers", {"receipts": receipts})


# What operators do, and what can be seen


def operate(verb: str, **fields: Any) -> Step:
    """pause, resume, purge or redrive, with that call's body."""
    return Step("operate", {"verb": verb, "body": fields})


def declare(queue: str = "queue", **settings: Any) -> Step:
    return Step("declare", settings, queue=queue)


def requeue(body: Any) -> Step:
    return Step("requeue", {"body": body})


def delete(body: Any = None) -> Step:
    """Delete a message, or the queue."""
    return Step("delete", {"body": body})


def counts(queue: str = "queue", **expected: int) -> Step:
    """How many messages are in each state; those not named have none."""
    return Step("counts", expected, queue=queue)


def browse(state: str, *expected: Any, queue: str = "queue") -> Step:
    """The messages in a state, oldest first, as browsing shows them."""
    return Step("browse", {"state": state, "expected": _messages(expected, {})}, queue=queue)


def failures(body: Any, *expected: Json) -> Step:
    """The recorded failures of one message."""
    return Step("failures", {"body": body, "expected": expected})
