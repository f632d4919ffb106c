"""Paths into JSON: ``$.order.items[0].sku``, and ``$."odd name"`` for names with anything in them. Walked, never run."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from brokerweb.core.json_values import MISSING

MAX_STEPS = 32
Path = tuple[str | int, ...]

NAME = re.compile(r'[^\s.\[\]"=!~<>:,]+')
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class FaultError(Exception):
    """Something else was expected at ``place``, counted from 0."""

    def __init__(self, place: int, expected: str) -> None:
        super().__init__(expected)
        self.place, self.expected = place, expected


def scan(text: str, start: int = 0) -> tuple[Path, int]:
    """The path that begins at ``start`` with its ``$``, and where it ends. Raises FaultError."""
    steps: list[str | int] = []
    place = start + 1
    while text[place : place + 1] in (".", "["):
        step, place = _member(text, place + 1) if text[place] == "." else _bracket(text, place + 1)
        steps.append(step)
        if len(steps) > MAX_STEPS:
            raise FaultError(start, f"a path of at most {MAX_STEPS} steps")
    return tuple(steps), place


def _member(text: str, place: int) -> tuple[str, int]:
    if text[place : place + 1] == '"':
        return quoted(text, place)
    found = NAME.match(text, place)
    if found is None:
        raise FaultError(place, "a member's name, in quotes if it is an odd one")
    return found[0], found.end()


def _bracket(text: str, place: int) -> tuple[str | int, int]:
    step: str | int
    if text[place : place + 1] == '"':
        step, end = quoted(text, place)
    elif found := _INDEX.match(text, place):
        step, end = int(found[0]), found.end()
    else:
        raise FaultError(place, "an element's place, from 0, or a member's name in quotes")
    if text[end : end + 1] != "]":
        raise FaultError(end, "]")
    return step, end + 1


def quoted(text: str, place: int) -> tuple[str, int]:
    """The text in quotes that begins at ``place``, with JSON's escapes, and where it ends. Raises FaultError."""
    found = QUOTED.match(text, place)
    if found is None:
        raise FaultError(place, 'a closing "')
    try:
        value = str(json.loads(found[0], strict=False))
        value.encode()
    except ValueError:
        raise FaultError(place, 'a text in quotes with \\" and \\\\ for these two') from None
    return value, found.end()


def parse(text: str) -> Path:
    """The path that is the whole text. Raises FaultError."""
    if not text.startswith("$"):
        raise FaultError(0, "$")
    path, end = scan(text)
    if end < len(text):
        raise FaultError(end, "a step of the path, or its end")
    return path


def spelled(path: Path) -> str:
    """The path as text, always the same for the same path."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{named(step)}" for step in path)


@lru_cache(maxsize=1024)
def named(name: str) -> str:
    """A name as it stands in a path, in quotes if it must."""
    return name if NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def at(value: Any, path: Path) -> Any:
    """What is there in a decoded value, or MISSING."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step, MISSING) if isinstance(value, dict) else MISSING
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else MISSING
        if value is MISSING:
            break
    return value
