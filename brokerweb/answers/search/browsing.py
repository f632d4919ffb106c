"""Browsing by what messages hold: beside the filter of a list texts, headers, values of bodies, and when they were published.

A queue is looked through in the order of its list, the oldest or the newest first, in turns as a search, which goes downwards
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from brokerweb.answers.search.conditions import QUEUES, Condition, Instant, Row, Subject, fold
from brokerweb.answers.search.grammar import Query, spelled
from brokerweb.answers.search.scope import Q
from brokerweb.answers.search.search import Hit, loaded
from brokerweb.core import clock, cursors, json_paths, json_values
from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.errors import escape_pointer
from brokerweb.core.json_paths import FaultError, Path
from brokerweb.core.settings import Errors, refuse
from brokerweb.identity.masks import Veil
from brokerweb.queues import selection, settled
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.messages import json_ids
from brokerweb.queues.models import Message, Queue, SettledMessage
from brokerweb.queues.states import STATE_NAMES
from brokerweb.storage.reading import Reads

MAX_CONDITIONS, MAX_CHARACTERS = 16, 1_000
COMPARED = 200  # messages of a turn
FEW, LIGHT = 20, 1024 * 1024  # of one read at first, and the bytes of bodies below which the next is of twice as many
TEXT, AFTER, BEFORE, HEADER, BODY = "search", "published_after", "published_before", "header.", "body."
Conditions = tuple[Condition, ...]


# What is asked


def split(given: Mapping[str, Any], pointer: str = "", *, url: bool = False) -> tuple[dict[str, Any], Conditions]:
    """What of a filter is left for ``filters.parse``, and what it asks of what messages hold; of a ``url``, where all are texts,
    the value of a body may be what the text says as JSON, too. Raises Invalid with every error of that.
    """
    rest: dict[str, Any] = {}
    found: list[Condition] = []
    errors: Errors = []
    for name, value in given.items():
        make = _maker(name, url=url)
        if make is None:
            rest[name] = value
        elif value is not None:
            try:
                found.append(make(value))
            except ValueError as error:
                errors.append({"pointer": f"{pointer}/{escape_pointer(name)}", "detail": str(error)})
    if len(found) > MAX_CONDITIONS:
        errors.append({"pointer": pointer, "detail": f"at most {MAX_CONDITIONS} conditions on what messages hold"})
    refuse(errors)
    return rest, tuple(found)


def asks(name: str) -> bool:
    """Whether a parameter is about what messages hold."""
    return _maker(name, url=True) is not None


def _maker(name: str, *, url: bool) -> Callable[[Any], Condition] | None:
    if name == TEXT:
        return lambda value: Condition("text", "~", (fold(_text(value, least=1)),))
    if name in (AFTER, BEFORE):
        return lambda value: Condition("published", ">=" if name == AFTER else "<", (_instant(value),))
    if name.startswith(HEADER):
        return lambda value: Condition("header", "=", (_text(value),), _text(name.removeprefix(HEADER)))
    if name.startswith(BODY):
        return lambda value: Condition("$", "=", _values(value, url=url), _path(name.removeprefix(BODY)))
    return None


def _text(value: Any, least: int = 0) -> str:
    if not isinstance(value, str) or not least <= len(value) <= MAX_CHARACTERS or "\0" in value:
        raise ValueError(f"must be a text of {least} to {MAX_CHARACTERS} characters without NUL")
    return value


def _instant(value: Any) -> Instant:
    try:
        return Instant(max(0, clock.parse_rfc3339(value)))
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be an RFC 3339 instant with a time zone") from None


def _values(value: Any, *, url: bool) -> tuple[Any, ...]:
    if isinstance(value, bool) or json_values.is_number(value):
        return (value,)
    if isinstance(value, float):
        return (Decimal(repr(value)),)
    text = _text(value)
    said = json_values.scalar(text) if url else json_values.MISSING
    return (text,) if said is json_values.MISSING else (said, text)


def _path(text: str) -> Path:
    """``customer.country``, ``items.0.sku``, ``items[0].sku``; in quotes a name may be anything, digits among it."""
    try:
        path = json_paths.parse(f"${_text(text)}" if text.startswith("[") else f"$.{_text(text)}")
    except FaultError as fault:
        raise ValueError(f"is no path into a body: expected {fault.expected}") from None
    if '"' in text:
        return path
    return tuple(int(step) if isinstance(step, str) and step.isascii() and step.isdigit() else step for step in path)


def query_of(chosen: MessageFilter, conditions: Conditions) -> str:
    """The same as a query of a search, which looks among all states where the filter names none."""
    asked = [*conditions]
    if chosen.states:
        names = tuple(name for name, state in STATE_NAMES.items() if state in chosen.states)
        asked.append(Condition("state", "=", names))
    if chosen.key is not None:
        asked.append(Condition("key", "=", (chosen.key,)))
    asked += [Condition("fingerprint", "=", (cause,)) for cause in chosen.fingerprints]
    return spelled(Query(tuple(asked)))


# Looking


class Looked(NamedTuple):
    """What was found among ``scanned``; nothing is left out of it. ``exhausted``: there is nothing behind them."""

    items: Sequence[Message | SettledMessage]
    scanned: int
    next: str | None

    @property
    def exhausted(self) -> bool:
        return self.next is None


class Browsing:
    """One page. ``turn`` until it is ``over`` or has enough, then ``outcome``, as of a search; each on a reader."""

    def __init__(
        self,
        queue: Queue,
        chosen: MessageFilter,
        conditions: Conditions,
        veil: Veil,
        *,
        kept: bool = False,
        after: str | None = None,
    ) -> None:
        """``kept``: among those that have ended, whatever states are chosen. Raises Invalid."""
        self._queue, self._chosen, self._conditions, self._veil, self._kept = queue, chosen, conditions, veil, kept
        self._digest = cursors.digest("browsing", queue.pk, kept, *chosen.parts(), conditions)
        span = selection.whole(chosen)
        self._after, self._until = span if after is None else (cursors.unseal_id(after, self._digest), span.until)
        self.scanned, self.over = 0, False

    def turn(self, reads: Reads, wanted: int, room: int = ANSWER_BYTES, *, first: bool = True) -> tuple[list[Hit], str | None]:
        """As of a search."""
        rows, stopped = self.rows(reads, wanted, room, first=first)
        found = loaded(rows)
        messages = [found[row.number] for row in rows if row.number in found]
        return [Hit(QUEUES, self._queue.name, message, self._veil) for message in messages if self._is_still(message)], stopped

    def rows(self, reads: Reads, wanted: int, room: int | None = None, *, first: bool = True) -> tuple[list[Row], str | None]:
        """The next that match, among some, without what they carry; without ``room`` their bodies may have any size."""
        numbers, following = self._numbers(reads)
        found: list[Row] = []
        after, scanned = self._after, self.scanned  # a read that fails is made once more, from where it began
        for row, size in self._compared(reads, numbers):
            if size is not None:
                room = None if room is None else room - size
                if room is not None and room < 0 and (found or not first):
                    self._after, self.scanned = after, scanned
                    return found, "bytes"
                found.append(row)
            after, scanned = row.id, scanned + 1
            if len(found) == wanted and row.number != numbers[-1]:
                self._after, self.scanned = after, scanned
                return found, "limit"
        self._after, self.scanned, self.over = following or after, scanned, following is None
        return found, "limit" if len(found) == wanted else None

    def outcome(self, reads: Reads, items: Sequence[Hit], stopped: str | None) -> Looked:
        """What is told of it, after the last turn."""
        found: Iterable[Any] = (hit.found for hit in items)
        return Looked(list(found), self.scanned, None if self.over else cursors.seal(self._digest, str(self._after)))

    def _numbers(self, reads: Reads) -> tuple[list[int], int | None]:
        """Of a turn, in the order of the list, and behind which id to go on."""
        if self._kept:
            return settled.numbers(self._queue, self._chosen, self._after, COMPARED)
        span = selection.Span(self._after, self._until)
        among = selection.find(reads.rows, self._queue.pk, self._chosen, span, COMPARED)
        return [number for number, _ in among.messages], among.after

    def _compared(self, reads: Reads, numbers: Sequence[int]) -> Iterator[tuple[Row, int | None]]:
        """Those that are there, in this order, with the size of the body of one that matches. A body is given up once it was
        compared, and few are read at once where they are large.
        """
        begin, many = 0, FEW
        while part := numbers[begin : begin + many]:
            rows: dict[int, tuple[Row, int | None]] = {}
            read = 0
            for values in reads.scan(Q.kept_messages if self._kept else Q.messages, json_ids(part)):
                row = Row(*values)
                size = len(row.body or b"")
                rows[row.number] = row._replace(body=b"", headers=None), size if self._holds(row) else None
                read += size
            yield from (rows[number] for number in part if number in rows)
            begin, many = begin + many, many * 2 if read < LIGHT else FEW

    def _holds(self, row: Row) -> bool:
        subject = Subject(row, veil=self._veil)
        return all(condition.holds(subject) for condition in self._conditions)

    def _is_still(self, message: Message | SettledMessage) -> bool:
        """Whether it is what was asked for, as it is by now."""
        if self._kept or message.queue_id != self._queue.pk:
            return message.queue_id == self._queue.pk
        return isinstance(message, Message) and (not self._chosen.states or message.state in self._chosen.states)
