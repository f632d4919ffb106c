"""Which messages a filter selects, in the order of their ids; for reading and for acting alike.

One statement answers for all states at once: a message that changes its state between two statements would otherwise be
missed or seen twice. The index of keys does not know the states: where both are asked for, those of the states, which may be
few among very many of the key, are compared row by row, so a scan stops after a budget and says where to go on.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from brokerweb.queues.filters import MAX_ID, MessageFilter
from brokerweb.queues.states import State
from brokerweb.storage.statements import Statements

BUDGET = 20_000  # messages looked at for one page
STEP = 2_000
Q = Statements("brokerweb.queues", "control.sql")
Read = Callable[..., list[tuple[Any, ...]]]


class Span(NamedTuple):
    """The ids between two ends: ``after`` is outside, ``until`` inside; downwards when ``after`` is the higher one."""

    after: int
    until: int


class Found(NamedTuple):
    """Messages as (id, state), and after which id to go on; None when there is nothing more."""

    messages: list[tuple[int, State]]
    after: int | None


def whole(chosen: MessageFilter) -> Span:
    """Every id, in the filter's order."""
    return Span(MAX_ID, 0) if chosen.descending else Span(0, MAX_ID)


def find(read: Read, queue_id: int, chosen: MessageFilter, span: Span, wanted: int, *, budget: int = BUDGET) -> Found:
    """Up to ``wanted`` messages of the span, looking at about ``budget`` at most."""
    found: list[tuple[int, State]] = []
    after, looked_at = span.after, 0
    while True:
        n = STEP if chosen.key is not None or chosen.ids is not None else wanted - len(found) + 1
        rows = _window(read, queue_id, chosen, Span(after, span.until), n)
        for message_id, state, matches in rows:
            if matches:
                if len(found) == wanted:
                    return Found(found, after)
                found.append((message_id, State(state)))
            after = message_id
        looked_at += len(rows)
        if len(rows) < n:
            return Found(found, None)
        if looked_at >= budget:
            return Found(found, after)


def _window(read: Read, queue_id: int, chosen: MessageFilter, span: Span, n: int) -> list[tuple[Any, ...]]:
    if chosen.ids is not None:
        return _named(read, queue_id, chosen, span)
    if chosen.fingerprints:
        return _of_causes(read, queue_id, chosen, span, n)
    if chosen.key is not None and not chosen.states:
        return read(Q.with_key_desc if chosen.descending else Q.with_key, queue_id, span.after, span.until, n, chosen.key)
    statement = Q.matching_desc if chosen.descending else Q.matching
    return read(statement, queue_id, span.after, span.until, n, chosen.key, *flags(chosen))


def _named(read: Read, queue_id: int, chosen: MessageFilter, span: Span) -> list[tuple[Any, ...]]:
    low, high = sorted((span.after, span.until))
    rows = []
    for message_id in sorted(chosen.ids or (), reverse=chosen.descending):
        inside = low <= message_id <= high and message_id != span.after
        for state, key, _, _, fingerprint in read(Q.find_message, message_id, queue_id) if inside else ():
            wanted = (not chosen.states or state in chosen.states) and chosen.key in (None, key)
            wanted = wanted and (not chosen.fingerprints or fingerprint in chosen.fingerprints)
            rows.append((message_id, state, wanted))
    return rows


def _of_causes(read: Read, queue_id: int, chosen: MessageFilter, span: Span, n: int) -> list[tuple[Any, ...]]:
    if chosen.states and State.DEAD not in chosen.states:
        return []
    statement = Q.of_cause_desc if chosen.descending else Q.of_cause
    found = (read(statement, queue_id, cause, span.after, span.until, n, chosen.key) for cause in chosen.fingerprints)
    return list(islice(merge(*found, key=itemgetter(0), reverse=chosen.descending), n))


def flags(chosen: MessageFilter) -> list[int]:
    """The state parameters of the statements: no state named is every state."""
    return [int(not chosen.states or state in chosen.states) for state in State]


def summary(read: Read, queue_id: int, chosen: MessageFilter) -> tuple[int, int | None, int | None]:
    """How many messages match, exactly, and the lowest and the highest of their ids."""
    if chosen.ids is None and chosen.fingerprints:
        return _summary_of_causes(read, queue_id, chosen)
    if chosen.ids is None:
        if chosen.key is not None and not chosen.states:
            [found] = read(Q.key_summary, queue_id, chosen.key)
        else:
            [found] = read(Q.matching_summary, queue_id, chosen.key, *flags(chosen))
        count, first, last = found
        return count, first, last
    ids = [message_id for message_id, _, matches in _named(read, queue_id, chosen, Span(0, MAX_ID)) if matches]
    return len(ids), min(ids, default=None), max(ids, default=None)


def _summary_of_causes(read: Read, queue_id: int, chosen: MessageFilter) -> tuple[int, int | None, int | None]:
    if chosen.states and State.DEAD not in chosen.states:
        return 0, None, None
    found = [read(Q.cause_summary, queue_id, cause, chosen.key)[0] for cause in chosen.fingerprints]
    firsts, lasts = [first for _, first, _ in found if first], [last for _, _, last in found if last]
    return sum(n for n, _, _ in found), min(firsts, default=None), max(lasts, default=None)
