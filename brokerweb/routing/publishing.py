"""Publish to a topic: every copy of every message in one commit, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Sized
from typing import Any

import msgspec

from brokerweb.core import events
from brokerweb.core.clock import seconds
from brokerweb.core.errors import BrokerError, Invalid, TooLarge, Unroutable
from brokerweb.queues import engine as queues
from brokerweb.queues import sequence
from brokerweb.queues.definitions import find_in_order
from brokerweb.queues.messages import NewMessage
from brokerweb.routing import pointers, stats
from brokerweb.routing.definitions import Definition, Q, find
from brokerweb.routing.messages import Copy, Published, TopicMessage
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import engine as streams

MAX_ERRORS = 20  # of those named in one answer
MAX_NAMED = 50  # streams that a message names, to which other copies of it went
MAX_COPIES, MAX_COPIED_BYTES = 20_000, 128 * 1024 * 1024  # of one request: what it makes the store write is bounded, too
_headers = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode
_copies = msgspec.json.Decoder(list[Copy]).decode
Routes = dict[int, Collection[str]]  # a message's place in the request -> where it goes


def publish(tx: Transaction, topic: str, messages: Sequence[TopicMessage], *, publisher: str | None = None) -> list[Published]:
    """Copy messages to where their bindings lead, all or none. Raises NotFound, Unroutable, and what a destination raises.

    A destination gets a message once, however many of its bindings match. An error of a destination names it as ``to``.
    """
    target = find(tx, topic)
    known = _remembered(tx, target, messages)
    if known:
        tx.vouch()
    fresh = _first_of_each(messages, known)
    routes = _routes(target, messages, fresh)
    unrouted = _unrouted(target, routes)
    check_volume(*volume(messages, routes))
    stored = _Copying(tx, target, messages, publisher).all(routes)
    if unrouted:
        tx.gathered(_Dropped).by_topic[target.id] += unrouted
    tx.outcome.topic_event(events.PUBLISHED, target.id, len(routes))
    tx.outcome.topic_event(events.UNROUTED, target.id, unrouted)
    if routes:
        source, sources = (publisher, None, "topic", target.id), tx.outcome.sources
        sources[source] = sources.get(source, 0) + len(routes)
    return _answers(tx, target, messages, known, stored)


class _Dropped:
    """Messages that no binding matched, counted last in the transaction: others who count some wait for its commit."""

    def __init__(self) -> None:
        self.by_topic = Counter[int]()

    def flush(self, tx: Transaction) -> None:
        for topic_id, n in sorted(self.by_topic.items()):
            tx.change(Q.drop, topic_id, n)
        self.by_topic.clear()


def _remembered(tx: Transaction, target: Definition, messages: Sequence[TopicMessage]) -> dict[str, list[Copy]]:
    ids = {m.message.dedup_id for m in messages if m.message.dedup_id is not None}
    found = ((dedup_id, tx.value(Q.remembered, target.id, dedup_id, tx.now)) for dedup_id in sorted(ids))
    return {dedup_id: _copies(routed) for dedup_id, routed in found if routed is not None}


def _first_of_each(messages: Sequence[TopicMessage], known: Mapping[str, Any]) -> list[int]:
    """The places of messages that repeat neither what is known nor one another."""
    seen = set(known)
    places = []
    for place, message in enumerate(messages):
        dedup_id = message.message.dedup_id
        if dedup_id is None:
            places.append(place)
        elif dedup_id not in seen:
            seen.add(dedup_id)
            places.append(place)
    return places


def _routes(target: Definition, messages: Sequence[TopicMessage], places: list[int]) -> Routes:
    table, routes = target.table, Routes()
    for place in places:
        message = messages[place]
        text = message.message.headers if table.asks_headers else None
        try:
            routes[place] = table.targets(message.routing_key, _headers(text) if text else {})
        except Invalid as error:
            raise Invalid.at(f"/messages/{place}/routing_key", error.extra["errors"][0]["detail"]) from None
    return routes


def _unrouted(target: Definition, routes: Routes) -> int:
    """How many messages no binding matches. Raises Unroutable when the topic refuses them."""
    places = [place for place, destinations in routes.items() if not destinations]
    if places and target.unrouted == "refuse":
        stats.refused(target.id, len(places))
        detail = "no binding matches"
        faults = [{"pointer": f"/messages/{place}/routing_key", "detail": detail} for place in places[:MAX_ERRORS]]
        raise Unroutable(f"No binding of topic {target.name} matches {len(places)} of the messages.", errors=faults)
    return len(places)


def volume(messages: Sequence[TopicMessage], copies: Mapping[int, Sized]) -> tuple[int, int]:
    """How many copies there are of messages, by their places, and how many bytes of bodies."""
    bodies = ((len(messages[place].message.body), len(each)) for place, each in copies.items())
    counted = [(n, n * size) for size, n in bodies]
    return sum(n for n, _ in counted), sum(size for _, size in counted)


def check_volume(copies: int, size: int) -> None:
    """Raise TooLarge for more than one commit should write."""
    if copies > MAX_COPIES or size > MAX_COPIED_BYTES:
        raise TooLarge(f"{copies} copies with {size} bytes; one request may make {MAX_COPIES} with {MAX_COPIED_BYTES}.")


class _Copying:
    """Stores the copies of one publish, destination by destination."""

    def __init__(self, tx: Transaction, target: Definition, messages: Sequence[TopicMessage], publisher: str | None) -> None:
        self.tx, self.target, self.messages = tx, target, messages
        self.publisher = publisher

    def all(self, routes: Routes) -> dict[int, list[Copy]]:
        """The copies of each message, in the order of its destinations."""
        groups: dict[str, list[int]] = {}
        for place, destinations in routes.items():
            for to in destinations:
                groups.setdefault(to, []).append(place)
        for to in groups:
            self._check_fields(to, groups[to])
        # The memory of the topic holds the dedup ids: in the destinations they would meet those of direct publishers.
        self.bare = {place: _bare(self.messages[place]) for place in routes}
        self.families = self._families(routes)
        stored: dict[str, dict[int, Copy]] = {}
        for to in self._checked(groups):
            stored[to] = dict(zip(groups[to], self._to(to, groups[to]), strict=True))
            if to.startswith("stream:"):
                self._note_streams(stored[to])
        return {place: [stored[to][place] for to in destinations] for place, destinations in routes.items()}

    def _families(self, routes: Routes) -> dict[int, queues.Family]:
        """A number for each message of which there are several copies, one of them in a queue: of those that this publish is
        about to give its messages, so that no other publish has it.
        """
        several = [place for place, to in routes.items() if len(to) > 1 and any(name.startswith("queue:") for name in to)]
        numbers = sequence.upcoming(self.tx, len(several)) if several else ()
        return {place: queues.Family(number) for place, number in zip(several, numbers, strict=True)}

    def _note_streams(self, copies: Mapping[int, Copy]) -> None:
        """What went to streams goes there first, and is named in the queues' copies: records have no column to be found by."""
        for place, copy in copies.items():
            family = self.families.get(place)
            known = _copies(family.streams) if family is not None and family.streams else []
            if family is not None and len(known) < MAX_NAMED:
                self.families[place] = family._replace(streams=_encode([*known, copy]).decode())

    def _check_fields(self, to: str, places: list[int]) -> None:
        """Raise Invalid for what a copy would lose: a record has no delay, no ttl and no priority, a queue no partition."""
        kind = to.partition(":")[0]
        for place in places:
            if (field := self.messages[place].unfit_for(kind)) is not None:
                raise Invalid.at(f"/messages/{place}/{field}", f"does not go with {to}, to which a copy goes")

    def _checked(self, groups: dict[str, list[int]]) -> list[str]:
        """The destinations in an order in which a refusal comes before anything is written, where that can be known.

        A verb that fails after it has written costs the committer's whole batch, and a full queue is an everyday thing.
        """
        if len(groups) < 2:  # it refuses before it writes by itself
            return list(groups)
        find_in_order(self.tx, *(to.removeprefix("queue:") for to in groups if to.startswith("queue:")))
        by_limit = self.tx.dialect.single_writer  # else by id: two who append to the same streams do not wait for each other
        order = []
        for to in sorted(groups):
            kind, _, name = to.partition(":")
            try:
                if kind == "queue":
                    queues.check(self.tx, name, [self.bare[place].message for place in groups[to]])
                    order.append((1, 0, to))
                else:
                    stream = streams.find(self.tx, name)
                    order.append((0, stream.max_body_bytes if by_limit else stream.id, to))
            except BrokerError as error:
                raise pointers.for_copies(error, to, groups[to]) from error
        return [to for _, _, to in sorted(order)]

    def _to(self, to: str, places: list[int]) -> list[Copy]:
        kind, _, name = to.partition(":")
        chosen = [self.bare[place] for place in places]
        try:
            if kind == "queue":
                families = [self.families.get(place, queues.NO_FAMILY) for place in places] if self.families else None
                origin = queues.Origin(self.publisher, self.target.name, families=families)
                accepted = queues.publish_from(self.tx, name, [m.message for m in chosen], origin)
                return [Copy(to, id=str(a.id)) for a in accepted]
            appended = streams.append(
                self.tx, name, [m.for_stream() for m in chosen], publisher=self.publisher, route=self.target.name
            )
            return [Copy(to, partition=a.partition, offset=str(a.offset)) for a in appended]
        except BrokerError as error:
            raise pointers.for_copies(error, to, places) from error


def _bare(message: TopicMessage) -> TopicMessage:
    if message.message.dedup_id is None:
        return message
    without: NewMessage = msgspec.structs.replace(message.message, dedup_id=None)
    return msgspec.structs.replace(message, message=without)


def _answers(
    tx: Transaction,
    target: Definition,
    messages: Sequence[TopicMessage],
    known: dict[str, list[Copy]],
    stored: dict[int, list[Copy]],
) -> list[Published]:
    """An answer for every message, in order; what is new under a dedup_id is remembered."""
    answers, new = [], dict[str, list[Copy]]()
    for place, message in enumerate(messages):
        dedup_id = message.message.dedup_id
        if place in stored:
            answers.append(Published(stored[place]))
            if dedup_id is not None:
                new[dedup_id] = stored[place]
        else:
            answers.append(Published(new.get(dedup_id or "") or known.get(dedup_id or "") or [], True))
    if new:
        until = tx.now + seconds(target.dedup_window)
        rows = [(target.id, d, _encode(copies).decode(), until, tx.now) for d, copies in sorted(new.items())]
        tx.exactly(len(rows), tx.change_many(Q.remember, rows))
    return answers
