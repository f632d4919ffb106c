"""Values of bodies, whatever they were decoded from: numbers as they are written, members in order, each as often as it came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

LONGEST_DECODED = 256 * 1024  # bytes of a body
DEEPEST, MOST_VALUES = 100, 100_000


class Refused(ValueError):
    """The body is not what it is asked to be read as, or more of it than is read; in words."""


class Number(str):
    """A number as it is written: none is ever read."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """An object's members, also those whose name comes twice."""


class Other(str):
    """What JSON has no words for, such as a date or bytes, as text."""

    __slots__ = ()


class Told(NamedTuple):
    """A value, and what is to be said of how it was written."""

    value: Any
    how: str = ""


def name_of(value: Any) -> str:
    """A member's name, whatever stands where JSON has a text."""
    return value if isinstance(value, str) else "null" if value is None else str(value)


def within(value: Any) -> Iterator[tuple[str | int, Any]]:
    """What is in an object or array, with the step that leads there."""
    return iter(value) if isinstance(value, Members) else iter(enumerate(value))


def is_branch(value: Any) -> bool:
    """Whether it is an object or an array."""
    return isinstance(value, list)


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    """What is at a path, of members of one name the first. Raises LookupError."""
    for step in path:
        if isinstance(value, Members) and isinstance(step, str):
            value = next((each for name, each in value if name == step), LookupError)
        elif isinstance(value, list) and not isinstance(value, Members) and isinstance(step, int):
            value = value[step] if step < len(value) else LookupError
        else:
            value = LookupError
        if value is LookupError:
            raise LookupError(step)
    return value
