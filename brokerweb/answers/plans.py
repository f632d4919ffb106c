"""What an act on many messages would do, before it does it: how many, of which causes, and what speaks against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from brokerweb.answers import causes
from brokerweb.answers.verdicts import reading
from brokerweb.core import clock
from brokerweb.identity import masks
from brokerweb.identity.masks import CLEAR, Veil
from brokerweb.identity.principal import Principal
from brokerweb.jobs import selecting
from brokerweb.jobs.bulk_request import BulkRequest
from brokerweb.jobs.destinations import Destination
from brokerweb.jobs.searched import Asked, finder
from brokerweb.queues import browse, selection
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.fingerprints import telling_line
from brokerweb.queues.messages import json_ids
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.selection import Q, Span
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads, lenient, read

SAMPLES = ERRORS = 5
LOOKED_AT = 10_000  # messages that are looked at for warnings; of more it says "at least"
STEP = 500
SEARCHED_FOR = 2.0  # seconds of a query
SHOWN, FEW = 50, 3  # destinations, in the answer and in a sentence


class Caution(NamedTuple):
    """What speaks against it, or should be known: a code, how many it is about, and a sentence."""

    code: str
    n: int
    text: str


class Seen(NamedTuple):
    """A message as far as warnings look at it: a row of ``facts``."""

    id: int
    state: int
    keyed: bool
    redrives: int
    fingerprint: str | None
    weight: int


@dataclass
class Plan:
    """What would be done, to how much. ``looked_at`` is of how many the warnings know."""

    request: BulkRequest
    destinations: list[tuple[Destination, int]]  # with how many of each
    oldest: int | None = None
    newest: int | None = None
    samples: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[Caution] = field(default_factory=list)
    looked_at: int = 0
    complete: bool = True  # a query has looked at all there is

    @property
    def matched(self) -> int:
        return sum(n for _, n in self.destinations)


def plan(principal: Principal, request: BulkRequest) -> Plan:
    """The plan of a request. Raises Forbidden, NotFound, Invalid as the act itself does.

    Who may manage what they name, and not browse it, is told how many messages that is, and nothing of what they hold.
    """
    destinations = read(selecting.resolve, principal, request)
    veils = {each.queue_id: masks.veil(principal, *each.permit) for each in destinations}
    made: Plan = read(_plan, request, destinations, veils)
    if not all(principal.may("browse", *each.permit) for each in destinations):
        made.samples, made.errors = [], []
    return made


def _plan(reads: Reads, request: BulkRequest, destinations: Sequence[Destination], veils: Mapping[int, Veil]) -> Plan:
    made, look = Plan(request, []), _Look(reads, request, veils)
    if request.select.q is None:
        _by_filter(reads, made, look, destinations)
    else:
        _by_query(reads, made, look, destinations)
    made.looked_at = look.seen
    made.samples = look.samples()
    made.errors = look.errors(made)
    made.warnings = _warnings(made, look)
    return made


def _by_filter(reads: Reads, made: Plan, look: _Look, destinations: Sequence[Destination]) -> None:
    ends: list[int] = []
    for destination in destinations:
        n, first, last = selecting.matched(reads, made.request, destination)
        made.destinations.append((destination, n))
        ends += [id for id in (first, last) if id is not None]
    made.oldest, made.newest = min(ends, default=None), max(ends, default=None)
    for destination, n in made.destinations:
        if n and look.room:
            look.at(destination)


def _by_query(reads: Reads, made: Plan, look: _Look, destinations: Sequence[Destination]) -> None:
    asked, beyond = Asked(made.request.query, clock.wall()), reads.value(Q.newest_id) + 1
    looked = finder().look(reads, asked, destinations, beyond, (LOOKED_AT, SEARCHED_FOR))
    made.complete = looked.beyond is None
    found: dict[int, list[int]] = {}
    for id, queue_id in sorted(looked.found):
        found.setdefault(queue_id, []).append(id)
        made.oldest, made.newest = made.oldest or id, id
    for destination in destinations:
        ids = found.get(destination.queue_id, [])
        made.destinations.append((destination, len(ids)))
        look.see(destination, ids)


class _Look:
    """The first messages that are matched, looked at one by one."""

    def __init__(self, reads: Reads, request: BulkRequest, veils: Mapping[int, Veil]) -> None:
        self.reads, self.request, self.veils = reads, request, veils
        self.target = None if request.to is None else browse.find(request.to)
        self.seen = self.again = self.keyed = self.in_flight = self.too_large = 0
        self.causes: Counter[str | None] = Counter()
        self.of_cause: dict[str | None, int] = {}
        self.first: list[tuple[int, Destination]] = []

    @property
    def room(self) -> int:
        return LOOKED_AT - self.seen

    def at(self, destination: Destination) -> None:
        chosen, after = selecting.taken(self.request, destination), 0
        while self.room > 0:
            span, most = Span(after, MAX_ID), min(STEP, self.room)
            found = selection.find(self.reads.rows, destination.queue_id, chosen, span, most)
            self.see(destination, [id for id, _ in found.messages])
            if found.after is None:
                return
            after = found.after

    def see(self, destination: Destination, ids: Sequence[int]) -> None:
        """These are among them."""
        rows = (row for i in range(0, len(ids), STEP) for row in self._facts(destination, ids[i : i + STEP]))
        for message in map(Seen._make, rows):
            self.seen += 1
            self.again += message.state == State.DEAD and message.redrives > 0
            self.keyed += message.keyed
            self.in_flight += message.state == State.LEASED
            self.too_large += self.target is not None and message.weight > self.target.max_body_bytes
            if message.state == State.DEAD:
                self.causes[message.fingerprint] += 1
                self.of_cause.setdefault(message.fingerprint, message.id)
            if len(self.first) < SAMPLES:
                self.first.append((message.id, destination))

    def _facts(self, destination: Destination, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        return self.reads.rows(Q.facts, destination.queue_id, json_ids(ids))

    def samples(self) -> list[dict[str, Any]]:
        ids = browse.whole_in_one_answer([id for id, _ in self.first]) if self.first else []
        with lenient():
            found = Message.objects.in_bulk(ids)
        return [
            causes.sample(found[id], destination, self.veils[destination.queue_id])
            for id, destination in self.first
            if id in found
        ]

    def errors(self, made: Plan) -> list[dict[str, Any]]:
        """The most frequent causes among them: of all where the index alone tells, else of those looked at."""
        top = self._counted(made) or self.causes.most_common(ERRORS)
        with lenient():
            examples = Message.objects.in_bulk([self.of_cause[name] for name, _ in top if name in self.of_cause])
        by_cause = {message.fingerprint: self._seen(message) for message in examples.values()}
        return [_error(fingerprint, n, by_cause.get(fingerprint)) for fingerprint, n in top]

    def _seen(self, message: Message) -> Message:
        return self.veils.get(message.queue_id, CLEAR).over(message)

    def _counted(self, made: Plan) -> list[tuple[str | None, int]]:
        chosen = made.request.select.chosen
        selected = made.request.select
        if selected.ids is not None or selected.q is not None or chosen.key is not None or made.matched <= self.seen:
            return []
        states = chosen.states or frozenset({State.DEAD})
        if State.DEAD not in states:
            return []
        found = causes.counted(self.reads, [each for each, _ in made.destinations])
        top = [cause for cause in found if not chosen.fingerprints or cause.fingerprint in chosen.fingerprints][:ERRORS]
        for cause in top:
            self.of_cause[cause.fingerprint] = cause.newest
        return [(cause.fingerprint, cause.count) for cause in top]


def _error(fingerprint: str | None, n: int, message: Message | None) -> dict[str, Any]:
    reason, error = (None, None) if message is None else (message.reason, telling_line(message.last_error) or None)
    return {"fingerprint": fingerprint, "reason": reason, "error": error, "count": n}


# Warnings


def _warnings(made: Plan, look: _Look) -> list[Caution]:
    found: list[Caution] = []
    if made.request.action in ("redrive", "move"):
        found += _of_targets(made, look)
        if look.again:
            found.append(_some(made, "again", look.again, "back again: redriven before, and dead once more"))
        if look.too_large and look.target is not None:
            rule = f"queue {look.target.name} takes {look.target.max_body_bytes} bytes from publishers, and these all the same"
            found.append(_some(made, "too_large", look.too_large, f"too large: {rule}"))
        if look.keyed and _keyed(made, look.target):
            rule = "they join the end of their keys, behind what was published after them"
            found.append(_some(made, "keyed", look.keyed, f"in an order within keys: {rule}"))
    if look.in_flight:
        found.append(_some(made, "in_flight", look.in_flight, "with a consumer, who loses the lease and may have done the work"))
    return found


def _some(made: Plan, code: str, n: int, what: str) -> Caution:
    """So many of what was looked at are what is said of them."""
    least = "" if made.complete and made.matched <= made.looked_at else "at least "
    text = f"{least}{n} of these messages {'is' if n == 1 else 'are'} {what}."
    return Caution(code, n, text[0].upper() + text[1:])


def _of_targets(made: Plan, look: _Look) -> Iterator[Caution]:
    """Of the queue that they go to, or of each that they are put back into."""
    going, to = {each.queue_id: (each.label, n) for each, n in made.destinations if n}, look.target
    if to is not None:
        going = {to.pk: (f"queue:{to.name}", made.matched)}
    queues, counts = Queue.objects.in_bulk(list(going)), browse.counts(going)
    attended = reading.attended(look.reads, queues.values(), counts)
    going = {pk: what for pk, what in going.items() if pk in queues}
    for pk, (label, n) in going.items():
        if (over := _over(queues[pk], counts[pk], n)) > 0:
            refuses = queues[pk].overflow == "refuse"
            then = "publishers are refused until it has room" if refuses else "its oldest are buried as others are published"
            text = f"{label} holds {queues[pk].max_length} messages at most, and would have {over} more: {then}."
            yield Caution("target_full", over, text)
    paused = [label for pk, (label, _) in going.items() if queues[pk].paused_at is not None]
    silent = [label for pk, (label, _) in going.items() if pk not in attended]
    if paused:
        yield Caution("target_paused", len(paused), f"Paused, and handing out nothing until resumed: {_named(paused)}.")
    if silent:
        yield Caution("no_consumer", len(silent), f"Nobody consumes, so that what is put there waits: {_named(silent)}.")


def _named(labels: Sequence[str]) -> str:
    more = len(labels) - FEW
    return ", ".join(labels[:FEW]) + (f" and {more} more" if more > 0 else "")


def _over(queue: Queue, counts: Mapping[str, int], n: int) -> int:
    """By how many the queue would be beyond what it holds."""
    if queue.max_length is None:
        return 0
    return counts["ready"] + counts["scheduled"] + counts["blocked"] + counts["leased"] + n - queue.max_length


def _keyed(made: Plan, to: Queue | None) -> bool:
    if to is not None:
        return to.keyed
    return Queue.objects.filter(pk__in=[each.queue_id for each, n in made.destinations if n], keyed=True).exists()


def as_json(made: Plan) -> dict[str, Any]:
    """The plan as answers show it."""
    shown = [{**each.shown(), "matched": n} for each, n in made.destinations if n]
    return {
        "matched": made.matched,
        "complete": made.complete,
        "oldest_at": browse.published_at(made.oldest),
        "newest_at": browse.published_at(made.newest),
        "samples": made.samples,
        "errors": made.errors,
        "warnings": [{"code": warning.code, "n": warning.n, "text": warning.text} for warning in made.warnings],
        "destinations": shown[:SHOWN],
        "looked_at": made.looked_at,
    }
