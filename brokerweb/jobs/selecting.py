"""What an act on many messages would touch: the destinations it is about, and how much that is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.identity import masks
from brokerweb.identity.masks import Veil
from brokerweb.identity.principal import Principal
from brokerweb.jobs.bulk_request import TAKES, BulkRequest
from brokerweb.jobs.destinations import Destination, browsable, every, holding
from brokerweb.jobs.searched import Asked, finder
from brokerweb.queues import selection
from brokerweb.queues.filters import MAX_ID, MessageFilter
from brokerweb.queues.selection import Span
from brokerweb.storage.reading import Reads

MAX_DESTINATIONS = 1_000
LOOKING = 1.0  # seconds, whether a query finds something where somebody may not act


def resolve(reads: Reads, principal: Principal, asked: BulkRequest) -> list[Destination]:
    """The destinations of which it would take something now, or one that it names.

    Raises Forbidden without ``manage`` on all of them, and ``publish`` on where they go, and where it would tell what is masked;
    NotFound where there is none.
    """
    if asked.to is not None:
        principal.require("publish", "queue", asked.to)
    named = _named(reads, principal, asked) if asked.select.ids is not None else _matching(reads, principal, asked)
    for each in named:
        principal.require("manage", *each.permit)
        if asked.to is not None:
            masks.require_no_less(principal, each.permit, ("queue", asked.to))
    if len(named) > MAX_DESTINATIONS:
        raise Invalid.at("/select/in", f"is of {len(named)} queues: an act is for {MAX_DESTINATIONS} at most")
    return named


def _named(reads: Reads, principal: Principal, asked: BulkRequest) -> list[Destination]:
    labels = asked.select.ids or {}
    for label in labels:
        kind, _, rest = label.partition(":")
        principal.require("manage", kind, rest.partition("/")[0])
    there = {each.label: each for each in every(reads)}
    missing = [label for label in labels if label not in there]
    if missing:
        raise NotFound(f"There is no {missing[0].replace(':', ' ', 1)}.")
    return [there[label] for label in labels]


def _matching(reads: Reads, principal: Principal, asked: BulkRequest) -> list[Destination]:
    found = browsable(principal, every(reads), asked.select.within)
    for each in found:
        _require_unmasked(masks.veil(principal, *each.permit), asked, each)
    if asked.action == "move":
        found = [each for each in found if each.label != f"queue:{asked.to}"]
    if not found:
        raise NotFound("There is no queue among those that you may browse that select/in names.")
    states = asked.select.chosen.states or TAKES[asked.action]
    holders = [each for each in found if holding(each, states)]
    if asked.select.chosen.fingerprints:
        holders = [each for each in holders if matched(reads, asked, each)[0]]
    managed = {each.queue_id for each in found if principal.may("manage", *each.permit)}
    if others := [each for each in holders if each.queue_id not in managed]:
        touched = managed | _touched(reads, asked, others)
        holders = [each for each in holders if each.queue_id in touched]
    return holders or [each for each in found if each.queue_id in managed][:1] or found[:1]


def _require_unmasked(veil: Veil, asked: BulkRequest, destination: Destination) -> None:
    """Raises Forbidden for a selection by what is hidden: how many that are would tell it."""
    veil.require_key(asked.select.chosen.key)
    if veil and asked.select.q is not None and finder().asks(Asked(asked.query, clock.wall()), veil.hidden):
        veil.require_all(f"To choose messages of {destination.label} by that query")


def _touched(reads: Reads, asked: BulkRequest, others: Sequence[Destination]) -> set[int]:
    """Of destinations that the asker may not manage those of which it takes something, as far as a short look can tell.

    The rest is no part of the act, whatever comes there later. Where the look does not come to its end all of them count.
    """
    everywhere = {each.queue_id for each in others}
    if asked.select.q is not None:
        query, beyond = Asked(asked.query, clock.wall()), reads.value(selection.Q.newest_id) + 1
        looked = finder().look(reads, query, others, beyond, (1, LOOKING))
        found = {queue_id for _, queue_id in looked.found}
        return found if found or looked.beyond is None else everywhere
    if asked.select.chosen.key is None:
        return everywhere
    until = time.monotonic() + LOOKING
    return {each.queue_id for each in others if time.monotonic() > until or _takes_some(reads, asked, each)}


def _takes_some(reads: Reads, asked: BulkRequest, destination: Destination) -> bool:
    found = selection.find(reads.rows, destination.queue_id, taken(asked, destination), Span(0, MAX_ID), 1)
    return bool(found.messages) or found.after is not None


def total(reads: Reads, asked: BulkRequest, destinations: Sequence[Destination]) -> int | None:
    """How many it would take, where indexes alone can tell."""
    if asked.select.ids is not None:
        return sum(map(len, asked.select.ids.values()))
    if asked.select.chosen.key is not None or asked.select.q is not None:
        return None
    return sum(matched(reads, asked, each)[0] for each in destinations)


def matched(reads: Reads, asked: BulkRequest, destination: Destination) -> tuple[int, int | None, int | None]:
    """How many messages of a destination it would take, and the lowest and the highest of their ids."""
    return selection.summary(reads.rows, destination.queue_id, taken(asked, destination))


def taken(asked: BulkRequest, destination: Destination) -> MessageFilter:
    """What it would take of a destination: of those that are named those in a state that the action is for."""
    chosen = asked.filter_of(destination.label)
    return replace(chosen, states=chosen.states or TAKES[asked.action])
