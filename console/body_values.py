"""The single values in a JSON body with their paths, for funnels beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from brokerweb.console.bodies import LONGEST_SHOWN
from brokerweb.console.conditions import Number, named

MOST, DEEPEST = 100, 32  # values of a body, and steps of a path


class Value(NamedTuple):
    """One value, where it is, and as what it is shown."""

    path: str
    value: object
    text: str


def values_of(body: bytes) -> list[Value]:
    """The values of a JSON body that is not too long, in their order, and not too many; none of another body."""
    if len(body) > LONGEST_SHOWN:
        return []
    try:
        found = json.loads(body, parse_int=Number, parse_float=Number)
    except (ValueError, RecursionError):
        return []
    return list(islice(_within(found, "$", 0), MOST)) if isinstance(found, dict | list) else []


def _within(found: Any, path: str, depth: int) -> Iterator[Value]:
    if isinstance(found, dict | list):
        if depth == DEEPEST:
            return
        steps = (
            ((f".{named(name)}", each) for name, each in found.items())
            if isinstance(found, dict)
            else ((f"[{at}]", each) for at, each in enumerate(found))
        )
        for step, each in steps:
            yield from _within(each, path + step, depth + 1)
    else:
        yield Value(path, found, str(found) if isinstance(found, str) else json.dumps(found))
