"""What each condition of a query means, exactly, of one message or record.

A condition on what is not there does not hold, whatever its operator; ``-`` before it then does. Conditions that are never of a
record (state, attempts) or never of a message (offset) leave all of that kind out, also behind ``-``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from brokerweb.core import clock, json_paths, json_values, masking
from brokerweb.core.checksums import intact
from brokerweb.core.declared_fields import decoded
from brokerweb.core.json_paths import Path
from brokerweb.core.json_values import MISSING
from brokerweb.core.masking import Hidden
from brokerweb.identity.masks import CLEAR, Veil
from brokerweb.queues.states import State

QUEUES, STREAMS = "queue", "stream"
BOTH, MESSAGES, RECORDS = frozenset({QUEUES, STREAMS}), frozenset({QUEUES}), frozenset({STREAMS})
SETTLED, KEPT = "settled", -1  # the state of a message that has ended and is kept, as it is called and as statements have it
Operator = str  # = != ~ < <= > >=
_headers = msgspec.json.Decoder(dict[str, str]).decode
_ESCAPES = re.compile(r'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))+')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Instant(NamedTuple):
    """An instant of the wall, which no number equals."""

    at: int


class Row(NamedTuple):
    """A message or record as the statements of the scan give it. Records have nothing that only messages have."""

    number: int  # in the order of the scan
    id: int
    place: int  # the id of its queue or partition
    key: str | None
    headers: str | None
    content_type: str | None
    binary: bool
    reply_to: str | None
    correlation_id: str | None
    publisher: str | None
    route: str | None
    redacted: str | None
    published_at: int
    checksum: int
    body: bytes
    state: int | None = None
    attempts: int = 0
    failures: int = 0
    priority: int = 0
    reason: str | None = None
    last_error: str | None = None
    redrives: int = 0
    fingerprint: str | None = None


class _Folded(dict[int, int]):
    """Each letter as its small one, letter by letter; no other letter becomes one of ASCII."""

    def __missing__(self, code: int) -> int:
        small = chr(code).lower()
        self[code] = found = ord(small) if len(small) == 1 and (ord(small) > 127 or code < 128) else code
        return found


_folded = _Folded()


def fold(text: str) -> str:
    """The text without the difference of great and small letters."""
    return text.lower() if text.isascii() else text.translate(_folded)


class Subject:
    """A row as conditions see it: of one that is damaged or redacted what it held is not there, and what is behind the asker's
    veil reads as it is shown to them. Decoded once, if asked.
    """

    __slots__ = ("_body", "_content", "_headers", "_texts", "empty", "offset", "partition", "row", "veil", "whole")

    def __init__(self, row: Row, *, partition: int | None = None, offset: int | None = None, veil: Veil = CLEAR) -> None:
        self.partition, self.offset, self.veil = partition, offset, veil
        self.whole = intact(row.id, row, row.checksum)
        self.row = _behind(veil, row) if veil and self.whole else row
        self._content: tuple[bytes, bool] | None = None
        self.empty = not self.whole or row.redacted is not None
        self._body: Any = None
        self._headers: Mapping[str, str] | None = None
        self._texts: tuple[str, ...] | None = None

    @property
    def content(self) -> tuple[bytes, bool]:
        """The body's bytes, and whether they are not JSON."""
        if self._content is None:
            row, veil = self.row, self.veil
            hides = bool(veil) and not self.empty
            body = veil.body(row.body, binary=bool(row.binary)) if hides else row.body
            self._content = body, bool(row.binary) and not (hides and veil.is_whole(binary=True))
        return self._content

    @property
    def body(self) -> Any:
        """The JSON value, or MISSING."""
        if self._body is None:
            body, binary = (b"", True) if self.empty else self.content
            self._body = (MISSING if binary else decoded(body),)
        return self._body[0]

    @property
    def headers(self) -> Mapping[str, str]:
        if self._headers is None:
            self._headers = _headers(self.row.headers) if self.row.headers and not self.empty else {}
        return self._headers

    @property
    def texts(self) -> tuple[str, ...]:
        """What text is looked for in, folded: the body as it is written and with JSON's escapes resolved, and the last error."""
        if self._texts is None:
            body, binary = (b"", True) if self.empty else self.content
            written = _written(body)
            resolved = _resolved(written) if not binary and "\\" in written else ""
            self._texts = tuple(fold(text) for text in (written, resolved, self.row.last_error or "") if text)
        return self._texts


def _behind(veil: Veil, row: Row) -> Row:
    """A row without what is hidden of it, but for its body, which is long."""
    key, error = veil.word(masking.KEY, row.key), veil.word(masking.ERROR, row.last_error)
    return row._replace(key=key, headers=veil.headers(row.headers), last_error=error)


def _written(body: bytes) -> str:
    try:
        return str(body, "utf-8")
    except UnicodeDecodeError:
        return ""


def _resolved(text: str) -> str:
    return _ESCAPES.sub(lambda found: str(json.loads(f'"{found[0]}"')), text)


class Condition(NamedTuple):
    """``field`` ``operator`` one of ``values``. ``text`` is the field of words, ``header`` and ``$`` have a ``name``."""

    field: str
    operator: Operator
    values: tuple[Any, ...]
    name: str | Path | None = None
    negated: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        """Which of messages and records it can be asked of."""
        return BOTH if self.field in _READ_BY_NAME else FIELDS[self.field].kinds

    def is_of(self, hidden: Hidden) -> bool:
        """Whether it is about something that is hidden."""
        if self.field == "header":
            return hidden.hides_header(str(self.name))
        if self.field == "$":
            return hidden.covers(self.name if isinstance(self.name, tuple) else ())
        if self.field == "text":
            return bool(hidden.paths) or masking.ERROR in hidden.words
        return self.field in hidden.words

    def holds(self, subject: Subject) -> bool:
        """Whether it holds of the subject."""
        found = _READ_BY_NAME[self.field](subject, self.name) if self.name is not None else FIELDS[self.field].read(subject)
        return _compared(found, self.operator, self.values) != self.negated


def _compared(found: Any, operator: Operator, values: tuple[Any, ...]) -> bool:
    if found is MISSING:
        return False
    if operator == "!=":
        return not any(map(_TESTS["="], [found] * len(values), values))
    test = _TESTS[operator]
    return any(test(found, value) for value in values)


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Instant):
        return _instant(found) == wanted.at
    return json_values.equal(found, wanted)


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(found, tuple):  # the texts of a body, folded already
        return any(wanted in text for text in found)
    return isinstance(found, str) and wanted in fold(found)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(found: Any, wanted: Any) -> bool:
        if isinstance(wanted, Instant):
            at = _instant(found)
            return at is not None and compare(at, wanted.at)
        number = _as_number(found)
        return number is not None and compare(number, wanted)

    return test


def _instant(found: Any) -> int | None:
    if isinstance(found, Instant):
        return found.at
    try:
        return clock.parse_rfc3339(found) if isinstance(found, str) else None
    except (ValueError, OverflowError):
        return None


def _as_number(found: Any) -> int | Decimal | None:
    """A number; of a header also one that its text writes."""
    if isinstance(found, HeaderText):
        try:
            return json_values.number(found) if _NUMBER.fullmatch(found) else None
        except ValueError:
            return None
    return found if json_values.is_number(found) else None


class HeaderText(str):
    """A header's value, which is always a text; it is compared as a number where one is asked for."""

    __slots__ = ()


_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": _equal,
    "~": _contains,
    "<": _ordered(lambda found, wanted: bool(found < wanted)),
    "<=": _ordered(lambda found, wanted: bool(found <= wanted)),
    ">": _ordered(lambda found, wanted: bool(found > wanted)),
    ">=": _ordered(lambda found, wanted: bool(found >= wanted)),
}


class Reading(NamedTuple):
    """What a field that has a name of its own is read from, and whether messages, records or both have it."""

    kinds: frozenset[str]
    read: Callable[[Subject], Any]


def _column(name: str) -> Callable[[Subject], Any]:
    place = Row._fields.index(name)

    def read(subject: Subject) -> Any:
        value = subject.row[place]
        return MISSING if value is None else value

    return read


def _held(name: str) -> Callable[[Subject], Any]:
    """A column that nobody can trust of what is damaged."""
    column = _column(name)
    return lambda subject: column(subject) if subject.whole else MISSING


def _type(subject: Subject) -> Any:
    """The content type, also where it is the one that goes without saying."""
    usual = "application/octet-stream" if subject.row.binary else "application/json"
    return (subject.row.content_type or usual) if subject.whole else MISSING


def _state(subject: Subject) -> Any:
    state = subject.row.state
    return MISSING if state is None else SETTLED if state == KEPT else State(state).name.lower()


FIELDS: Mapping[str, Reading] = {
    "text": Reading(BOTH, lambda subject: subject.texts),
    "id": Reading(MESSAGES, _column("id")),
    "state": Reading(MESSAGES, _state),
    "reason": Reading(MESSAGES, _column("reason")),
    "error": Reading(MESSAGES, _column("last_error")),
    "attempts": Reading(MESSAGES, _column("attempts")),
    "failures": Reading(MESSAGES, _column("failures")),
    "priority": Reading(MESSAGES, _column("priority")),
    "redrives": Reading(MESSAGES, _column("redrives")),
    "fingerprint": Reading(MESSAGES, _column("fingerprint")),
    "key": Reading(BOTH, _held("key")),
    "dedup": Reading(BOTH, lambda subject: MISSING),  # replaced by the ids that the dedup tables know: planner.py
    "correlation": Reading(BOTH, _held("correlation_id")),
    "publisher": Reading(BOTH, _column("publisher")),
    "route": Reading(BOTH, _column("route")),
    "type": Reading(BOTH, _type),
    "published": Reading(BOTH, lambda subject: Instant(subject.row.published_at)),
    "partition": Reading(RECORDS, lambda subject: subject.partition),
    "offset": Reading(RECORDS, lambda subject: subject.offset),
}


def _header(subject: Subject, name: Any) -> Any:
    value = subject.headers.get(name)
    return MISSING if value is None else HeaderText(value)


def _at(subject: Subject, path: Any) -> Any:
    body = subject.body
    return body if body is MISSING else json_paths.at(body, path)


_READ_BY_NAME: Mapping[str, Callable[[Subject, Any], Any]] = {"header": _header, "$": _at}
