"""A topic's bindings one by one: each change is made of what the topic has in the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.core.errors import Conflict
from brokerweb.routing import bindings, topics
from brokerweb.storage.transaction import Transaction


def add(tx: Transaction, topic: str, binding: Mapping[str, Any], may: topics.May, *, place: int | None = None) -> None:
    """One more, the last or at a place. Raises what ``may`` raises, Invalid, NotFound; Conflict for one that is there already."""
    present = _of(topic)
    if binding in present:
        raise Conflict("The topic has this binding already.")
    if place is None:
        topics.bind(tx, topic, bindings.asked({"bindings": [binding]}), may=may)
    else:
        topics.declare(tx, topic, {"bindings": [*present[:place], binding, *present[place:]]}, create=False, may=may)


def remove(tx: Transaction, topic: str, binding: Mapping[str, Any]) -> dict[str, Any]:
    """One less; it, and the place it had. Raises NotFound for the topic, and Conflict when it is gone already."""
    present = _of(topic)
    if binding not in present:
        raise Conflict("The topic has no such binding any more.")
    place = present.index(dict(binding))
    topics.unbind(tx, topic, bindings.asked({"bindings": [binding]}))
    return {"binding": present[place], "place": place}


def _of(topic: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = topics.describe([topics.find(topic)])[0]["bindings"]
    return found
