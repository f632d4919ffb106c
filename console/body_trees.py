"""A decoded body as a tree that folds, and as a table. What is far down, or far along, stands behind a link to that part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerweb.console.bodies import visible
from brokerweb.core import json_paths
from brokerweb.decoding.values import Members, Number, Other, at, is_branch, within

DRAWN, ALONG, OPEN = 600, 100, 2  # values in all, of one object or array, and levels that are open at first
LONGEST = 2_000  # characters of a text
COLUMNS, ROWS, CELL = 12, 100, 80
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a body that is looked at: where it is, and from which of its members or elements on."""

    value: Any
    path: Path = ()
    start: int = 0
    note: str = ""

    @classmethod
    def of(cls, whole: Any, where: str, start: str) -> Part:
        """As an address names it; the whole, where there is none of that."""
        begin = int(start) if start.isdecimal() and len(start) < 9 else 0
        if not where:
            return cls(whole, (), begin)
        try:
            path = json_paths.parse(where)
            return cls(at(whole, path), path, begin)
        except (json_paths.FaultError, LookupError):
            return cls(whole, note=f"There is nothing at {visible(where[:200])}.")

    @property
    def above(self) -> list[tuple[str, str]]:
        """The way down to it: what each step is called, and the address of what is there."""
        steps: list[tuple[str, str]] = [("$", "")]
        for n, step in enumerate(self.path):
            steps.append((f"[{step}]" if isinstance(step, int) else visible(step), json_paths.spelled(self.path[: n + 1])))
        return steps if self.path else []


class _Drawing:
    """One tree while it is drawn; ``query`` is what addresses of its parts begin with."""

    def __init__(self, query: Sequence[tuple[str, str]]) -> None:
        self._left, self._query = DRAWN, query

    def branch(self, value: Any, path: Path, depth: int, start: int = 0) -> SafeString:
        items = []
        for n, (step, each) in enumerate(within(value)):
            if n < start:
                continue
            if n == start + ALONG or self._left <= 0:
                items.append(format_html('<li><a href="{}">{} more</a></li>', self._to(path, n), f"{len(value) - n:,}"))
                break
            self._left -= 1
            items.append(self._item(step, each, (*path, step), depth))
        return format_html("<ul>{}</ul>", format_html_join("", "{}", ((item,) for item in items)))

    def _item(self, step: str | int, value: Any, path: Path, depth: int) -> SafeString:
        name = format_html('<span class="{}">{}</span>', "at" if isinstance(step, int) else "name", visible(str(step)))
        if not is_branch(value):
            return format_html("<li>{} {}</li>", name, leaf(value))
        if not value:
            return format_html('<li>{} <span class="soft">{}</span></li>', name, "{}" if isinstance(value, Members) else "[]")
        count = format_html('<span class="soft">{}</span>', _many(value))
        if self._left <= 0 or len(path) >= json_paths.MAX_STEPS:
            return format_html('<li>{} <a href="{}">{}</a></li>', name, self._to(path, 0), count)
        inner = self.branch(value, path, depth + 1)
        opened = " open" if depth < OPEN else ""
        return format_html("<li><details{}><summary>{} {}</summary>{}</details></li>", opened, name, count, inner)

    def _to(self, path: Path, start: int) -> str:
        more = [("at", json_paths.spelled(path))] + ([("start", str(start))] if start else [])
        return f"?{urlencode([*self._query, *more])}"


def _many(value: Any) -> str:
    n = len(value)
    return f"{{{n:,}}}" if isinstance(value, Members) else f"[{n:,}]"


def drawn(part: Part, query: Sequence[tuple[str, str]]) -> SafeString:
    """The part as nested lists; every text in it is only ever text."""
    if not is_branch(part.value):
        return format_html("<ul><li>{}</li></ul>", leaf(part.value))
    return _Drawing(query).branch(part.value, part.path, 0, part.start)


def leaf(value: Any) -> SafeString:
    """A single value, as what it is."""
    text = _text(value)
    more = format_html(' <span class="soft">… {} characters</span>', f"{len(text):,}") if len(text) > LONGEST else ""
    kind = "number" if isinstance(value, Number) else "other" if value is None or isinstance(value, bool | Other) else "text"
    shown = visible(text[:LONGEST])
    return format_html('<span class="{}">{}</span>{}', kind, f'"{shown}"' if kind == "text" else shown, more)


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Table:
    """Objects as rows: of so many members and objects."""

    columns: list[str]
    rows: list[list[str]]
    more_columns: int
    more_rows: int


def table(value: Any) -> Table | None:
    """A list of objects as a table; None of anything else."""
    if isinstance(value, Members) or not isinstance(value, list) or not value:
        return None
    if not all(isinstance(each, Members) for each in value):
        return None
    names = list(dict.fromkeys(name for each in value[:ROWS] for name, _ in each))
    shown = names[:COLUMNS]
    rows = [[_cell(dict(each).get(name, "")) for name in shown] for each in value[:ROWS]]
    return Table([visible(name) for name in shown], rows, len(names) - len(shown), max(0, len(value) - ROWS))


def _cell(value: Any) -> str:
    if is_branch(value):
        return _many(value)
    text = visible(_text(value))
    return text if len(text) <= CELL else f"{text[:CELL]}…"
