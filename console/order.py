"""The order of a list's rows: by several values, one after the other, each upwards or downwards.

What is not known is last, whichever way; rows of the same values are by name, and then by identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from brokerweb.core import clock

R = TypeVar("R")
Value = str | float | datetime | None
Keys = Sequence[tuple[str, bool]]  # of columns, and whether the highest come first
Place = tuple[Any, tuple[Any, str]]  # what a row is sorted by; then what it is called, and its identity
MOST = 3  # columns
SEPARATOR = ","


def plain(value: Value) -> Any:
    """A value as something that is compared, and written as JSON."""
    return clock.from_datetime(value) if isinstance(value, datetime) else value


def parsed(text: str) -> Keys:
    """What ``-ready,name`` says; each column once."""
    found: dict[str, bool] = {}
    for part in text.split(SEPARATOR):
        found.setdefault(part.strip().removeprefix("-"), part.strip().startswith("-"))
    return list(found.items())


def written(keys: Keys) -> str:
    """As an address has it."""
    return SEPARATOR.join(f"{'-' * down}{key}" for key, down in keys)


def is_behind(one: Place, other: Place, downwards: Sequence[bool]) -> bool:
    """Whether a place comes after another. Raises TypeError, ValueError for places of another order."""
    (values, tie), (others, other_tie) = one, other
    for value, than, down in zip(values, others, downwards, strict=True):
        if value == than:
            continue
        if value is None or than is None:
            return value is None
        return bool(value < than if down else value > than)
    return tie > other_tie


def placed(rows: Iterable[tuple[Place, R]], downwards: Sequence[bool]) -> list[tuple[Place, R]]:
    """Rows with their places, in their order."""
    found = sorted(rows, key=lambda item: item[0][1])
    for n, down in reversed(list(enumerate(downwards))):  # each sort leaves those of one value as they were
        known = [item for item in found if item[0][0][n] is not None]
        known.sort(key=lambda item: item[0][0][n], reverse=down)
        found = known + [item for item in found if item[0][0][n] is None]
    return found
