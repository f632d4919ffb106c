"""Parameters of a request: how the document describes one, and a URL's read without Django: strict, as all that comes in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from brokerweb.core.errors import Invalid, escape_pointer

_DIGITS = re.compile(r"[0-9]{1,18}")
NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query or a header."""

    name: str
    schema: Mapping[str, Any]
    description: str
    where: str = "query"


MAX_WAIT = 20  # seconds a call may wait for something to come
DEFAULT_LIMIT, MAX_LIMIT = 50, 1000
LIMIT = Parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "how many items at most"
)


def check_value(name: str, value: str) -> str:
    """A parameter's value; one with a NUL is asked of no store: nothing that is kept has it. Raises Invalid."""
    if "\0" in value:
        raise Invalid.at(f"/{escape_pointer(name)}", "a NUL character is in nothing that is kept")
    return value


class Query:
    """Each once, and none but those ``allowed``. Raises Invalid, with the parameter's name as the pointer."""

    def __init__(self, query: str, allowed: Sequence[str], lists: Sequence[str] = ()) -> None:
        """``lists`` may be given more than once."""
        self._given: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {name: [] for name in lists}
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise Invalid("the query is no list of parameters in UTF-8") from None
        for name, value in pairs:
            if name not in allowed:
                raise Invalid.at(f"/{escape_pointer(name)}", "unknown parameter")
            if name in self._lists:
                self._lists[name].append(check_value(name, value))
                continue
            if name in self._given:
                raise Invalid.at(f"/{name}", "given more than once")
            self._given[name] = check_value(name, value)

    def text(self, name: str) -> str | None:
        return self._given.get(name)

    def texts(self, name: str) -> list[str]:
        """All of a parameter that may be given more than once."""
        return self._lists[name]

    def integer(self, name: str, default: int | None, low: int, high: int) -> int | None:
        text = self._given.get(name)
        if text is None:
            return default
        if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
            raise Invalid.at(f"/{name}", f"an integer from {low} to {high}")
        return int(text)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        text = self._given.get(name)
        if text is None:
            return default
        if not NUMBER.fullmatch(text) or not low <= float(text) <= high:
            raise Invalid.at(f"/{name}", f"a number from {low} to {high}")
        return float(text)
