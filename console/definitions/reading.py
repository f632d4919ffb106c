"""What a document that was sent would do, as the page shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest

from brokerweb.core.errors import Invalid, TooLarge
from brokerweb.definitions import importing
from brokerweb.definitions.section import CHANGE, CREATE, LEAVE, Step

MOST_BYTES = 4 * 1_048_576
SHOWN = 200  # rows; of more the page says how many there are


class Row(NamedTuple):
    """One thing that would be created or changed."""

    act: str
    kind: str
    name: str
    settings: Sequence[tuple[str, str, str]]  # a setting, and its JSON before and after; empty for none


class Plan(NamedTuple):
    """What would be done."""

    text: str
    steps: Sequence[Step]
    rows: Sequence[Row]
    counts: Mapping[str, int]

    @property
    def idle(self) -> bool:
        return not self.counts[CREATE] and not self.counts[CHANGE]

    @property
    def more(self) -> int:
        return self.counts[CREATE] + self.counts[CHANGE] - len(self.rows)


def given(request: HttpRequest) -> str:
    """The document as it was sent: a file, else a text. Raises TooLarge, Invalid."""
    file = request.FILES.get("file")
    if file is None:
        return str(request.POST.get("text", ""))
    if not hasattr(file, "size") or (file.size or 0) > MOST_BYTES:
        raise TooLarge(f"A document has at most {MOST_BYTES} bytes.")
    try:
        return str(file.read(), "utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The file is not UTF-8.") from None


def planned(text: str, only: Sequence[str]) -> Plan:
    """What a document would do. Raises Invalid with every place that is wrong."""
    steps = importing.plan(_parsed(text), importing.only(only))
    counts = {act: sum(step.act == act for step in steps) for act in (CREATE, CHANGE, LEAVE)}
    acting = [step for step in steps if step.act != LEAVE]
    return Plan(text, steps, [_row(step) for step in acting[:SHOWN]], counts)


def _parsed(text: str) -> Any:
    if len(text) > MOST_BYTES:
        raise TooLarge(f"A document has at most {MOST_BYTES} bytes.")
    try:
        return json.loads(text)
    except RecursionError:
        raise Invalid("It nests too deep.") from None
    except ValueError as error:
        raise Invalid(f"It is no JSON: {error}") from None


def _row(step: Step) -> Row:
    shown = step.as_json()
    before, after = shown["before"] or {}, shown["after"] or {}
    names = [name for name in dict.fromkeys([*before, *after]) if step.before is not None or step.wanted]
    if step.before is None and step.wanted is not None:  # a new one has many settings: those that it was given
        names = [name for name in names if name in step.wanted.settings]
    return Row(step.act, shown["kind"], shown["name"], [(n, _json(before, n), _json(after, n)) for n in names])


def _json(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name], ensure_ascii=False) if name in values else ""
