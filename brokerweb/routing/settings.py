"""A topic's settings: their defaults, ranges and units, and the check of a request against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.core.settings import Errors, Setting, check, number, one_of, plain, refuse
from brokerweb.routing import bindings
from brokerweb.routing.models import Topic

DAY = 86_400

SETTINGS: dict[str, Setting] = {
    "unrouted": Setting("unrouted", "refuse", '"refuse" or "drop"', one_of("refuse", "drop")),
    "dedup_window": Setting("dedup_window", 300.0, "a number of seconds from 0 to 2592000", number(0, 30 * DAY)),
}


def validate(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a request changes, with the new values; ``bindings`` as a list of Binding. Raises Invalid with every error of it."""
    errors: Errors = []
    named = dict(given)
    bound = bindings.parse(named.pop("bindings"), errors) if "bindings" in named else None
    changes = check(named, SETTINGS, errors)
    refuse(errors)
    return changes if bound is None else {**changes, "bindings": bound}


def to_dict(topic: Topic) -> dict[str, Any]:
    """The settings of a topic as answers show them, but for its bindings."""
    return {name: plain(getattr(topic, setting.column)) for name, setting in SETTINGS.items()}
