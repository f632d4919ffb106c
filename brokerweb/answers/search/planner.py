"""How a query is answered: which queues and streams, what an index knows of them, and what is to be looked through.

A plan is made anew for every call, since names, grants and indexes change. How far a search has come does not depend on it: every
range of ids is looked at whole, each id by the way that its queue or stream has then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from brokerweb.answers.search import hints
from brokerweb.answers.search.conditions import QUEUES, SETTLED, STREAMS, Condition, Subject
from brokerweb.answers.search.grammar import Query
from brokerweb.answers.search.hints import Hints
from brokerweb.answers.search.scope import Q, Scope
from brokerweb.core import json_values
from brokerweb.core.declared_fields import Field
from brokerweb.identity.masks import Veil
from brokerweb.queues import fields as queue_fields
from brokerweb.queues.messages import json_ids
from brokerweb.queues.states import STATE_NAMES, State
from brokerweb.storage.reading import Reads
from brokerweb.streams import fields as stream_fields
from brokerweb.streams.models import OFFSET_BITS

WALKED = 0.3  # share of all messages from which on the whole table is walked
MANY_OF_KEY = 0.05  # share of all that may match, from which on that is looked through: rows are compared twenty times as slowly
MANY_KEPT = 1_000_000
FEW = 2_000  # messages that are listed at once, wherever in the table they are, and
FEW_CONTENTS = 200  # those of which a statement reads at once what they carry; the others are compared turn by turn
EVERY_STATE = frozenset(State)
OF_DEAD = ("reason", "fingerprint")


class Declared(NamedTuple):
    """The value that is asked of a declared field, and the field's id by the queue or stream that has it indexed."""

    value: str = ""
    fields: Mapping[int, int] = {}


@dataclass
class Plan:
    """What one call does."""

    query: Query
    scope: Scope
    hints: Hints
    states: frozenset[State]  # of messages, those that may match
    keeping: list[int]  # queues whose settled messages, that are kept, may match
    deduplicated: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict)  # dedup_id -> kind -> ids
    ids: frozenset[int] | None = None  # numbers of messages, all that may match where conditions name them
    record_ids: frozenset[int] | None = None
    declared: Declared = field(default_factory=Declared)
    declared_by_streams: Declared = field(default_factory=Declared)
    by_key: bool = False  # the index of keys names all that may match, but in queues that a declared field answers for
    of_key: list[int] = field(default_factory=list)  # the queues that it is asked of
    cause: str = ""  # the fingerprint that is asked for, and
    of_cause: list[int] = field(default_factory=list)  # the queues with dead messages, whose causes are an index
    scanned: list[int] = field(default_factory=list)  # the other queues
    walks: bool = False
    few: bool = False  # of the queues that are scanned no range has many rows
    hints_contents: bool = False  # statements look into what messages carry

    def of(self, reads: Reads) -> int:
        """How many messages and records there are to look at, besides those that an index names; of those that are kept no
        more are counted than ``MANY_KEPT``.
        """
        records = 0
        if self.record_ids is None:
            indexed = self.declared_by_streams.fields
            records = sum(place.records for place in self.scope.partitions if place.stream_id not in indexed)
        kept = _kept(reads, self) if self.looks_at_kept else 0
        return records + kept + sum(self.scope.queues[id].count(self.states) for id in self.scanned)

    @property
    def looks_at_kept(self) -> bool:
        """Whether kept messages are looked through, since no index names those that may match."""
        return bool(self.keeping) and self.ids is None and not self.cause and not self.by_key

    def holds(self, subject: Subject, kind: str) -> bool:
        """Whether every condition holds."""
        return all(self._holds(condition, subject, kind) for condition in self.query.conditions)

    def _holds(self, condition: Condition, subject: Subject, kind: str) -> bool:
        if condition.field != "dedup":
            return condition.holds(subject)
        known = subject.row.id in self.deduplicated[condition.values[0]][kind]
        return (known == (condition.operator == "=")) != condition.negated


def plan(reads: Reads, query: Query, scope: Scope, *, kept: bool = False) -> Plan:
    """The way to go; ``kept``: also through settled messages that are kept."""
    names = _states(query)
    states = frozenset(STATE_NAMES[name] for name in names if name != SETTLED)
    if any(condition.field in OF_DEAD and not condition.negated for condition in query.conditions):
        states &= {State.DEAD}
    keeping = [id for (id,) in reads.rows(Q.keeping, json_ids(scope.queues))] if kept and SETTLED in names else []
    hinted = hints.of(query.conditions).besides(veil.hidden for veil in scope.veils())
    made = Plan(query, scope, hinted, states, keeping)
    _look_up_dedups(reads, made)
    made.ids, made.record_ids = _known(made, QUEUES), _known(made, STREAMS)
    if made.ids is not None and made.keeping:
        named = reads.rows(Q.kept_called, json_ids(sorted(made.ids)), json_ids(made.keeping))
        made.ids |= {number for (number,) in named}
    if made.ids is None and scope.queues:
        made.declared = _declared(
            query, {id: place.veil for id, place in scope.queues.items()}, lambda name: queue_fields.indexed(reads, name)
        )
        _choose_ways(reads, made)
    if made.record_ids is None and scope.partitions:
        streams = {place.stream_id: place.veil for place in scope.partitions}
        made.declared_by_streams = _declared(query, streams, lambda name: stream_fields.indexed(reads, name))
    return made


def _states(query: Query) -> frozenset[str]:
    """Of the states, the settled among them, those that may match."""
    every = states = frozenset((*STATE_NAMES, SETTLED))
    for condition in query.conditions:
        if condition.field == "state":
            named = frozenset(condition.values)
            states &= named if (condition.operator == "=") != condition.negated else every - named
    return states


# What ids and dedup ids name


def _look_up_dedups(reads: Reads, made: Plan) -> None:
    streams = {place.stream_id for place in made.scope.partitions}
    for condition in made.query.conditions:
        if condition.field == "dedup":
            text = condition.values[0]
            messages = reads.rows(Q.deduplicated, text, json_ids(made.scope.queues))
            records = reads.rows(Q.deduplicated_records, text, json_ids(streams))
            places = {(place.stream_id, place.number): place.id << OFFSET_BITS for place in made.scope.partitions}
            made.deduplicated[text] = {
                QUEUES: frozenset(id for _, id in messages),
                STREAMS: frozenset(places[s, p] | offset for s, p, offset in records if (s, p) in places),
            }


def _known(made: Plan, kind: str) -> frozenset[int] | None:
    """All ids that may match, where a condition names them."""
    found: frozenset[int] | None = None
    for condition in made.query.conditions:
        if condition.negated or condition.operator != "=" or condition.field not in ("id", "dedup"):
            continue
        named = condition.values if condition.field == "id" else made.deduplicated[condition.values[0]][kind]
        found = frozenset(named) if found is None else found & frozenset(named)
    return found


# Which way through which queue


def _choose_ways(reads: Reads, made: Plan) -> None:
    queues = made.scope.queues
    made.cause = _cause(made.query)
    if made.cause:
        made.of_cause = [id for id, queue in queues.items() if queue.count(made.states)]
        made.declared = Declared()
        return
    others = [id for id in queues if id not in made.declared.fields]
    made.by_key = _key_tells(reads, made, others)
    if made.by_key:
        made.of_key = others if made.states else []
        return
    made.scanned = others
    waiting = sum(queues[id].count(made.states) for id in made.scanned)
    made.few = waiting <= FEW
    made.hints_contents = made.hints.of_contents and not FEW_CONTENTS < waiting <= FEW
    if made.states == EVERY_STATE and made.scanned and not made.few:
        held = sum(queues[id].count(EVERY_STATE) for id in made.scanned)
        made.walks = held >= WALKED * (reads.value(Q.held) or 0)


def _cause(query: Query) -> str:
    """The fingerprint that all have which match, or none."""
    asked = (each for each in query.conditions if each.field == "fingerprint" and each.operator == "=" and not each.negated)
    return next((str(each.values[0]) for each in asked), "")


def _key_tells(reads: Reads, made: Plan, queues: list[int]) -> bool:
    """Whether to compare what has a key is faster than to look through all, as it is where nothing but the key is asked for."""
    key = made.hints.key
    if key is None:
        return False
    if all(condition.field == "key" for condition in made.query.conditions):
        return True
    among = sum(made.scope.queues[id].count(made.states) for id in queues) + _kept(reads, made)
    most = int(among * MANY_OF_KEY)
    return bool(reads.value(Q.many_of_key, json_ids(queues), json_ids(made.keeping), key, most) < most)


def _kept(reads: Reads, made: Plan) -> int:
    """How many messages that are kept there are to look at, counted no further than ``MANY_KEPT``."""
    return int(reads.value(Q.count_kept, json_ids(made.keeping), MANY_KEPT)) if made.keeping else 0


def _declared(query: Query, owners: Mapping[int, Veil], find: Any) -> Declared:
    """The declared field that answers for the most of the queues or streams; where it is hidden its index is not asked."""
    best = Declared()
    for condition in query.conditions:
        asked = _asked(condition)
        if asked is not None:
            name, value = asked
            found = {
                owner: id for owner, id in find(name).items() if owner in owners and not condition.is_of(owners[owner].hidden)
            }
            best = Declared(value, found) if len(found) > len(best.fields) else best
    return best


def _asked(condition: Condition) -> tuple[str, str] | None:
    """The field and the value's normal form that a condition asks an index for."""
    if condition.negated or condition.operator != "=" or condition.field not in ("header", "$"):
        return None
    name: Any = condition.name
    value = json_values.normal(condition.values[0])
    asked = Field(name) if condition.field == "header" else Field(None, name)
    return None if value is None else (str(asked), value)
