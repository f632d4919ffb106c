"""Purge and redrive: what a filter selects, in chunks of one commit each.

They act on the ids that existed when they began, so that they end whatever is published meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from brokerweb.cluster import marks
from brokerweb.core import events
from brokerweb.core.errors import NotFound
from brokerweb.queues import filters, holding, kept, selection
from brokerweb.queues.definitions import Definition, find, find_by_id, find_in_order, take_turn
from brokerweb.queues.filters import MAX_ID, MessageFilter
from brokerweb.queues.kept import End
from brokerweb.queues.moves import in_one_turn, revive, take_out
from brokerweb.queues.selection import Q, Span
from brokerweb.queues.states import State
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction, acting

CHUNK = 500  # messages a commit, fewer large ones
LOOKED_AT = 4_000  # messages a commit looks at, at about 5 µs each: others wait for it
Perform = Callable[..., Any]  # ``perform``, or what does the same and more in its commit


class Chunk(NamedTuple):
    """How many messages one commit took, and after which id the next goes on; None when that was all."""

    affected: int
    after: int | None


class Bounds(NamedTuple):
    """What a long action may take: ids after ``after``, up to ``last``, the newest when it began at ``started``."""

    after: int
    last: int
    started: int


def purge_all(name: str, chosen: MessageFilter = filters.ALL, *, first: Perform | None = None, by: str | None = None) -> int:
    """Delete what the filter selects, in chunks of one commit each; how many that were. ``first`` performs the first of them;
    the others are done on behalf of ``by``.
    """
    return _in_chunks(purge_chunk, name, filters.for_purge(chosen), (first, _others(by)))


def redrive_all(
    name: str | int,
    chosen: MessageFilter = filters.ALL,
    *,
    to: str | None = None,
    first: Perform | None = None,
    by: str | None = None,
) -> int:
    """Put dead messages back at the end of their queue, or of another; how many that were. A hidden queue goes by its id."""
    return _in_chunks(redrive_chunk, name, filters.for_redrive(chosen), (first, _others(by)), to=to)


def _others(by: str | None) -> Perform:
    return perform if by is None else partial(perform, acting, by)


def _in_chunks(
    verb: Callable[..., Chunk], name: str | int, chosen: MessageFilter, how: tuple[Perform | None, Perform], **options: Any
) -> int:
    chosen = filters.ascending(chosen)
    bounds = perform(begin, name)
    first, others = how
    chunk: Chunk = (first or others)(_marked, verb, name, chosen, bounds, **options)
    affected = chunk.affected
    while chunk.after is not None:
        chunk = others(verb, name, chosen, bounds._replace(after=chunk.after), **options)
        affected += chunk.affected
    return affected


def _marked(tx: Transaction, verb: Callable[..., Chunk], name: str | int, *args: Any, **options: Any) -> Chunk:
    """The first chunk, which is also when charts show that it began."""
    chunk = verb(tx, name, *args, **options)
    if chunk.affected:
        queue = _source(tx, name)
        target = f"queue:{queue.name}" if queue.stream is None else f"stream:{queue.stream}"
        kind, done = ("redrive", "put back") if verb is redrive_chunk else ("purge", "deleted")
        marks.note(tx, kind, f"{target.partition(':')[2]}: messages {done}", target)
    return chunk


def begin(tx: Transaction, name: str | int) -> Bounds:
    """The bounds of an action that starts now."""
    _source(tx, name)
    return Bounds(0, tx.value(Q.newest_id), tx.now)


def _source(tx: Transaction, name: str | int) -> Definition:
    """The queue of that name or id. Raises NotFound."""
    source = find(tx, name) if isinstance(name, str) else find_by_id(tx, name)
    if source is None:
        raise NotFound("The consumer group was deleted.")  # nothing else goes by the id of its queue
    return source


def purge(tx: Transaction, name: str, chosen: MessageFilter, *, limit: int = CHUNK) -> int:
    """Delete the first messages that the filter selects, up to ``limit``, in this transaction; how many that were."""
    bounds = begin(tx, name)
    return purge_chunk(tx, name, filters.ascending(filters.for_purge(chosen)), bounds, limit=limit).affected


def redrive(tx: Transaction, name: str | int, chosen: MessageFilter, *, to: str | None = None, limit: int = CHUNK) -> int:
    """Put the first dead messages that the filter selects back, up to ``limit``, in this transaction; how many that were."""
    bounds = begin(tx, name)
    return redrive_chunk(tx, name, filters.ascending(filters.for_redrive(chosen)), bounds, to=to, limit=limit).affected


def purge_chunk(tx: Transaction, name: str, chosen: MessageFilter, bounds: Bounds, *, limit: int = CHUNK) -> Chunk:
    """One commit's part of a purge."""
    queue = take_turn(tx, find(tx, name))
    found = in_one_turn(tx, selection.find(tx.rows, queue.id, chosen, Span(bounds.after, bounds.last), limit, budget=LOOKED_AT))
    # Where blocked messages stay, one that follows its purged head must stay too: it became ready after the start.
    heads_only = queue.keyed and State.BLOCKED not in chosen.states
    end = End(kept.PURGED, tx.by)
    affected = take_out(tx, queue, found.messages, end, bounds.started if heads_only else MAX_ID)
    tx.outcome.event(events.PURGED, queue.id, affected)
    return Chunk(affected, found.after)


def redrive_chunk(
    tx: Transaction, name: str | int, chosen: MessageFilter, bounds: Bounds, *, to: str | None = None, limit: int = CHUNK
) -> Chunk:
    """One commit's part of a redrive."""
    if to is None:
        queue = target = take_turn(tx, _source(tx, name))
    else:
        find_in_order(tx, name, to)
        queue, target = _source(tx, name), find(tx, to)
    found = in_one_turn(tx, selection.find(tx.rows, queue.id, chosen, Span(bounds.after, bounds.last), limit, budget=LOOKED_AT))
    messages = holding.in_state(tx, queue.id, found.messages)
    for message_id, state in messages:
        revive(tx, queue, target, message_id, state)
    tx.outcome.event(events.REDRIVEN, queue.id, len(messages))
    return Chunk(len(messages), found.after)
