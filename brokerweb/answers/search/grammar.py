"""The grammar of queries: words and conditions with spaces between, all of which must hold. docs/search.md tells it to people.

Every error names the column and what was expected there. Nothing here is a regular expression of the asker's, and nothing is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NamedTuple

from brokerweb.answers.search import tokens
from brokerweb.answers.search.conditions import BOTH, SETTLED, Condition, Instant, fold
from brokerweb.answers.search.tokens import Piece, Text, fault
from brokerweb.core import clock, json_paths, json_values
from brokerweb.queues import filters
from brokerweb.queues.states import STATE_NAMES

REASONS = ("max_failures", "rejected", "expired", "overflow", "damaged")
EQUAL, TEXTS, ORDERED = ("=", "!="), ("=", "!=", "~"), ("=", "!=", "<", "<=", ">", ">=")
ANY = ("=", "!=", "~", "<", "<=", ">", ">=")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)
_AGE = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WORDS = {"true": True, "false": False, "null": None}
INSTANT = "an instant such as 2026-11-28 or 2026-11-28T09:30:00Z, or an age such as 30s, 15m, 1h, 7d"


class Query(NamedTuple):
    """A parsed query; no condition asks for nothing, and finds everything."""

    conditions: tuple[Condition, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        """Of messages and records those that all conditions can be asked of."""
        return BOTH.intersection(*(condition.kinds for condition in self.conditions))


class _Asked(NamedTuple):
    """A piece while its condition is made of it."""

    piece: Piece
    now: int

    @property
    def value(self) -> Text:
        return self.piece.value

    def expected(self, what: str) -> Exception:
        return fault(self.value.place, what)


class _Kind(NamedTuple):
    """What operators and values a field may have."""

    operators: Sequence[str]
    values: Callable[[_Asked], tuple[str, tuple[Any, ...]]]  # the operator as it is meant, and the values


def parse(text: str, now: int) -> Query:
    """The query; ages are counted back from ``now``, an instant of the wall. Raises Invalid with the column of what is wrong."""
    return Query(tuple(_condition(_Asked(piece, now)) for piece in tokens.pieces(text)))


def _condition(asked: _Asked) -> Condition:
    piece = asked.piece
    if not piece.operator:
        return Condition("text", "~", (fold(piece.value.text),), None, piece.negated) if piece.value.text else _nothing(asked)
    kind = _FREE if piece.path is not None else _HEADER if piece.header is not None else _named(piece)
    if piece.operator not in kind.operators:
        raise fault(piece.value.place - len(piece.operator), f"one of {' '.join(kind.operators)}")
    operator, values = kind.values(asked)
    name: Any = piece.path if piece.path is not None else piece.header
    field = "$" if piece.path is not None else "header" if piece.header is not None else piece.name
    return Condition(field, operator, values, name, piece.negated)


def _nothing(asked: _Asked) -> Condition:
    raise asked.expected("a text to look for")


def _named(piece: Piece) -> _Kind:
    kind = KINDS.get(piece.name)
    if kind is None:
        close = get_close_matches(piece.name, [*KINDS, "header"], 1)
        meant = f"; did you mean {close[0]}?" if close else "."
        raise fault(
            piece.place + piece.negated,
            f"one of {', '.join(KINDS)}, header.NAME, $.PATH{meant} A text with such a sign stands in quotes",
        )
    return kind


# Values


def _text(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    text, operator = asked.value.text, asked.piece.operator
    if operator == "~":
        return operator, (fold(text),)
    return operator, (text,)


def _parts(asked: _Asked) -> list[Text]:
    """A value with commas between, each with its place; in quotes it is one."""
    value = asked.value
    if value.quoted:
        return [value]
    parts, place = [], value.place
    for part in value.text.split(","):
        parts.append(Text(part, quoted=False, place=place))
        place += len(part) + 1
    return parts


def _one_of(words: Sequence[str]) -> Callable[[_Asked], tuple[str, tuple[Any, ...]]]:
    def values(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
        found = []
        for part in _parts(asked):
            if part.text not in words:
                close = get_close_matches(part.text, words, 1)
                raise fault(part.place, f"one of {', '.join(words)}" + (f"; did you mean {close[0]}?" if close else ""))
            found.append(part.text)
        return asked.piece.operator, tuple(dict.fromkeys(found))

    return values


def _ids(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    found = []
    for part in _parts(asked):
        if not (part.text.isascii() and part.text.isdigit() and len(part.text) <= 19 and 0 < int(part.text) <= filters.MAX_ID):
            raise fault(part.place, "an id")
        found.append(int(part.text))
    if len(found) > 1 and asked.piece.operator not in EQUAL:
        raise asked.expected("one id behind an order")
    return asked.piece.operator, tuple(dict.fromkeys(found))


def _fingerprint(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    if not filters.FINGERPRINT.fullmatch(asked.value.text):
        raise asked.expected("16 hexadecimals")
    return _text(asked)


def _number(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    number = _as_number(asked.value)
    if number is None:
        raise asked.expected("a number")
    return asked.piece.operator, (number,)


def _as_number(value: Text) -> int | Decimal | None:
    if value.quoted or not _NUMBER.fullmatch(value.text):
        return None
    try:
        return json_values.number(value.text)
    except ValueError:
        raise fault(value.place, "a number that is not so large") from None


def _when(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    found = _as_instant(asked)
    if found is None:
        raise asked.expected(INSTANT)
    return found


def _as_instant(asked: _Asked) -> tuple[str, tuple[Any, ...]] | None:
    """The operator and an instant. ``<1h`` is younger than that: behind the instant an hour ago."""
    text, operator = asked.value.text, asked.piece.operator
    if age := _AGE.fullmatch(text):
        if operator not in _TURNED:
            raise fault(asked.value.place - len(operator), "one of < <= > >= before an age")
        at = asked.now - clock.seconds(int(age[1]) * _UNITS[age[2]])
        return _TURNED[operator], (Instant(max(0, at)),)
    if not _DATE.fullmatch(text):
        return None
    try:
        stated = datetime.fromisoformat(text.upper())
    except ValueError:
        raise asked.expected(INSTANT) from None
    stated = stated if stated.tzinfo is not None else stated.replace(tzinfo=UTC)
    return operator, (Instant(clock.from_datetime(stated)),)


def _free(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    """Of a path: JSON's numbers, true, false and null stand for themselves, all else and what is in quotes is text."""
    if asked.piece.operator in ("=", "!="):
        if asked.value.quoted:
            return _text(asked)
        if asked.value.text in _WORDS:
            return asked.piece.operator, (_WORDS[asked.value.text],)
        number = _as_number(asked.value)
        return _text(asked) if number is None else (asked.piece.operator, (number,))
    return _text(asked) if asked.piece.operator == "~" else _order(asked)


def _of_header(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    return _text(asked) if asked.piece.operator in TEXTS else _order(asked)


def _order(asked: _Asked) -> tuple[str, tuple[Any, ...]]:
    number = _as_number(asked.value)
    if number is not None:
        return asked.piece.operator, (number,)
    found = _as_instant(asked)
    if found is None:
        raise asked.expected(f"a number, {INSTANT}")
    return found


_FREE, _HEADER = _Kind(ANY, _free), _Kind(ANY, _of_header)
KINDS: Mapping[str, _Kind] = {
    "id": _Kind(ORDERED, _ids),
    "state": _Kind(EQUAL, _one_of((*STATE_NAMES, SETTLED))),
    "key": _Kind(TEXTS, _text),
    "dedup": _Kind(EQUAL, _text),
    "correlation": _Kind(TEXTS, _text),
    "publisher": _Kind(TEXTS, _text),
    "reason": _Kind(EQUAL, _one_of(REASONS)),
    "error": _Kind(TEXTS, _text),
    "attempts": _Kind(ORDERED, _number),
    "failures": _Kind(ORDERED, _number),
    "priority": _Kind(ORDERED, _number),
    "redrives": _Kind(ORDERED, _number),
    "fingerprint": _Kind(EQUAL, _fingerprint),
    "published": _Kind(ORDERED, _when),
    "partition": _Kind(ORDERED, _number),
    "offset": _Kind(ORDERED, _number),
    "route": _Kind(TEXTS, _text),
    "type": _Kind(TEXTS, _text),
}


# And back


def spelled(query: Query) -> str:
    """The query as text, which parses to the same."""
    return " ".join(map(_spelled, query.conditions))


def _spelled(condition: Condition) -> str:
    dash = "-" if condition.negated else ""
    if condition.field == "text":
        return dash + _in_quotes(condition.values[0])
    name: Any = condition.name
    field = condition.field
    if field == "$":
        field = json_paths.spelled(name)
    elif field == "header":
        field = f"header.{_in_quotes(name)}"
    return f"{dash}{field}{condition.operator}{','.join(_value(condition, value) for value in condition.values)}"


def _value(condition: Condition, value: Any) -> str:
    if isinstance(value, Instant):
        return clock.rfc3339(value.at)
    if isinstance(value, str):
        return value if condition.field in ("state", "reason") else _in_quotes(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def _in_quotes(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
