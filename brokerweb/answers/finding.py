"""What acts on many messages ask of search: which messages of their destinations a query finds, also of shared groups."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from brokerweb.answers.search import grammar, planner
from brokerweb.answers.search.conditions import QUEUES, Row, Subject
from brokerweb.answers.search.grammar import Query
from brokerweb.answers.search.scan import Position, Scan
from brokerweb.answers.search.scope import Q, QueuePlace, Scope
from brokerweb.core.errors import Invalid
from brokerweb.core.masking import Hidden
from brokerweb.jobs import searched
from brokerweb.jobs.destinations import Destination
from brokerweb.jobs.searched import Asked, Looked
from brokerweb.queues.messages import json_ids
from brokerweb.storage.reading import Reads


class Finder:
    """See ``searched.Finder``."""

    def check(self, asked: Asked) -> None:
        if QUEUES not in _parsed(asked).kinds:
            raise Invalid.at("/select/q", "finds records only, and no messages")

    def asks(self, asked: Asked, hidden: Hidden) -> bool:
        return any(condition.is_of(hidden) for condition in _parsed(asked).conditions)

    def look(self, reads: Reads, asked: Asked, within: Sequence[Destination], beyond: int, most: tuple[int, float]) -> Looked:
        wanted, seconds = most
        scan = Scan(planner.plan(reads, _parsed(asked), _scope(within)), Position(-1, beyond), 0)
        found: list[tuple[int, int]] = []
        until = time.monotonic() + seconds
        while within and not scan.over and len(found) < wanted and time.monotonic() < until:
            for subject in scan.turn(reads):
                found.append((subject.row.id, subject.row.place))
                if len(found) == wanted:
                    break
        scan.settle(reads)
        return Looked(found, None if scan.over or not within else scan.position.beyond)

    def still(self, reads: Reads, asked: Asked, within: Sequence[Destination], ids: Iterable[int]) -> set[int]:
        plan = planner.plan(reads, _parsed(asked), _scope(within))
        rows = (Row(*row) for row in reads.rows(Q.messages, json_ids(ids)))
        return {row.id for row in rows if row.place in plan.scope.queues and plan.holds(Subject(row), QUEUES)}


def _parsed(asked: Asked) -> Query:
    try:
        return grammar.parse(asked.q, asked.now)
    except Invalid as error:
        raise Invalid.at("/select/q", error.detail.removeprefix("/q: ")) from None


def _scope(within: Sequence[Destination]) -> Scope:
    places = [QueuePlace(each.queue_id, each.label, each.counts) for each in within]
    return Scope({place.id: place for place in places}, [])


def install() -> None:
    """Acts may select by queries from now on."""
    searched.install(Finder())
