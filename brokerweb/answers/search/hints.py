"""What a row must have to match a query, as the statements of the scan can look for it: cheap, and necessary, never enough.

LIKE's patterns are made of the longest run of signs that no encoder of JSON writes in another way; ``_`` is any one sign, which
is no less necessary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from brokerweb.answers.search.conditions import Condition, Instant
from brokerweb.core import masking
from brokerweb.core.masking import Hidden

_RUNS = re.compile(r"[A-Za-z0-9 .,:;@#()\[\]{}$*?!^|~_-]+")
_RUNS_IN_QUOTES = re.compile(r'"?[A-Za-z0-9 .,:;@#()\[\]{}$*?!^|~_-]*"?')


class Hints(NamedTuple):
    """What the statements take; None leaves nothing out."""

    key: str | None = None
    error: str | None = None
    since: int | None = None
    until: int | None = None
    headers: str | None = None
    body: str | None = None

    def besides(self, hidden: Iterable[Hidden]) -> Hints:
        """Without those that would look at what is hidden somewhere: how a search goes on must not tell it."""
        hints = self
        for each in hidden:
            hints = hints._replace(
                key=None if masking.KEY in each.words else hints.key,
                error=None if masking.ERROR in each.words else hints.error,
                headers=None if each.headers else hints.headers,
                body=None if each.paths or masking.ERROR in each.words else hints.body,
            )
        return hints

    @property
    def of_contents(self) -> bool:
        """Whether what messages carry is to be read for it."""
        return any(value is not None for value in self[2:])


def of(conditions: Iterable[Condition]) -> Hints:
    """What all rows have of which these hold."""
    found: dict[str, list[str]] = {"headers": [], "body": [], "error": []}
    hints = Hints()
    for condition in conditions:
        if condition.negated or condition.operator == "!=":
            _of_name(condition, found)
        elif condition.field == "key" and condition.operator == "=":
            hints = hints._replace(key=condition.values[0])
        elif condition.field == "published":
            hints = _of_time(condition, hints)
        elif condition.field in ("text", "error"):
            found["body" if condition.field == "text" else "error"] += _RUNS.findall(condition.values[0])
        elif condition.field in ("header", "$"):
            if not (runs := _of_value(condition)):
                _of_name(condition, found)
            found["headers" if condition.field == "header" else "body"] += runs
    longest = {column: f"%{max(runs, key=len)}%" for column, runs in found.items() if runs}
    return hints._replace(headers=longest.get("headers"), body=longest.get("body"), error=longest.get("error"))


def _of_name(condition: Condition, found: dict[str, list[str]]) -> None:
    """The name of a header or member must be there, unless the condition is that it is not."""
    name = condition.name
    if condition.negated or name is None:
        return
    names = [name] if isinstance(name, str) else [step for step in name if isinstance(step, str)]
    for each in names:
        found["headers" if condition.field == "header" else "body"] += _in_quotes(each)


def _of_value(condition: Condition) -> list[str]:
    """A value says more than the name that it has in every row."""
    value = condition.values[0]
    if not isinstance(value, str):
        return []
    return _in_quotes(value) if condition.operator == "=" else _RUNS.findall(value)


def _in_quotes(text: str) -> list[str]:
    """Of a text that is written in quotes, which are the value's ends."""
    inner = text.replace('"', "\\").replace("\\", "\0")
    return [run for run in _RUNS_IN_QUOTES.findall(f'"{inner}"') if run.strip('"')]


def _of_time(condition: Condition, hints: Hints) -> Hints:
    at = condition.values[0]
    assert isinstance(at, Instant)  # noqa: S101 (the grammar takes no other)
    if condition.operator in (">", ">=", "="):
        hints = hints._replace(since=max(at.at, hints.since or 0))
    if condition.operator in ("<", "<=", "="):
        hints = hints._replace(until=at.at if hints.until is None else min(at.at, hints.until))
    return hints
