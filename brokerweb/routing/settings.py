"""A topic's settings: their defaults, ranges and units, and the check of a request against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.core.settings import Errors, check, one_of, plain, refuse, seconds, table
from brokerweb.routing import bindings

DAY = 86_400

SETTINGS = table(
    one_of("unrouted", "refuse", "drop"),
    seconds("dedup_window", 0, 30 * DAY, default=300.0),
)


def validate(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a request changes, with the new values; ``bindings`` as a list of Binding. Raises Invalid with every error of it."""
    errors: Errors = []
    named = dict(given)
    bound = bindings.parse(named.pop("bindings"), errors) if "bindings" in named else None
    changes = check(named, SETTINGS, errors)
    refuse(errors)
    return changes if bound is None else {**changes, "bindings": bound}


def to_dict(topic: object) -> dict[str, Any]:
    """The settings of a topic as answers show them, but for its bindings."""
    return {name: plain(getattr(topic, setting.column)) for name, setting in SETTINGS.items()}
