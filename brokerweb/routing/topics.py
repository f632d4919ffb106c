"""Topics: declare, change, bind, delete, list, describe, and the dry run of routing.

Listing, describing and routing read through the caller's connection and change nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from brokerweb.core import clock, events
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.queues.models import Queue
from brokerweb.routing import bindings, definitions, models, settings, stats
from brokerweb.routing.bindings import Binding
from brokerweb.routing.definitions import Q
from brokerweb.routing.models import Topic
from brokerweb.storage import listing
from brokerweb.storage.declared import declaring
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams.models import Stream

May = Callable[[str, str], None]  # (kind, name) of a target; raises Forbidden


def declare(
    tx: Transaction, name: str, given: Mapping[str, Any], *, create: bool = True, may: May | None = None
) -> tuple[Topic, bool]:
    """Create a topic, or change the settings named; (the topic, whether it is new). Without ``create`` it must exist.

    ``may(kind, name)`` is asked about the target of every binding the topic did not have. Raises what it raises, Invalid,
    and NotFound for a target that does not exist; what is bound already may have gone.
    """
    check_name(name)
    changes = settings.validate(given)
    declaring(tx, "topic", name)
    bound: list[Binding] | None = changes.pop("bindings", None)
    topic = Topic.objects.filter(name=name).first()
    created = topic is None
    if topic is None:
        if not create:
            raise NotFound(f"There is no topic {name}.")
        topic = Topic(name=name, created_at=tx.wall)
    if bound is not None:
        _check_targets(bound, set() if created else set(_bindings(topic)), may)
    _store(tx, topic, changes, bound)
    return Topic.objects.get(pk=topic.pk), created


def _check_targets(bound: Sequence[Binding], before: set[Binding], may: May | None) -> None:
    new = [(place, binding) for place, binding in enumerate(bound) if binding not in before]
    if may is not None:
        for _, binding in new:
            kind, _, name = binding.to.partition(":")
            may(kind, name)
    gone = _missing(binding.to for _, binding in new)
    for place, binding in new:
        if binding.to in gone:
            kind, _, name = binding.to.partition(":")
            detail = f"There is no {kind} {name}."
            raise NotFound(detail, errors=[{"pointer": f"/bindings/{place}/to", "detail": detail}])


def _missing(targets: Iterable[str]) -> set[str]:
    """Those of some destinations that do not exist."""
    asked = set(targets)
    queues = [to.partition(":")[2] for to in asked if to.startswith("queue:")]
    streams = [to.partition(":")[2] for to in asked if to.startswith("stream:")]
    there = {f"queue:{name}" for name in Queue.objects.filter(name__in=queues, deleted_at=None).values_list("name", flat=True)}
    there |= {
        f"stream:{name}" for name in Stream.objects.filter(name__in=streams, deleted_at=None).values_list("name", flat=True)
    }
    return asked - there


def _bindings(topic: Topic) -> list[Binding]:
    return [Binding(*row) for row in topic.bindings.order_by("position").values_list("pattern", "to", "headers")]


def _store(tx: Transaction, topic: Topic, changes: Mapping[str, Any], bound: list[Binding] | None) -> None:
    for column, value in changes.items():
        setattr(topic, column, value)
    topic.version = secrets.randbits(62)
    tx.writes += 1
    if topic.pk is None:
        topic.save()
    else:  # without ``dropped``, which publishers count up meanwhile
        topic.save(update_fields=[*changes, "version"])
    if bound is not None:
        tx.change(Q.unbind, topic.pk)
        tx.change_many(Q.bind, [(topic.pk, place, *binding) for place, binding in enumerate(bound)])
    definitions.forget(tx, topic.name)


def bind(tx: Transaction, name: str, bound: Sequence[Binding], *, may: May | None = None) -> Topic:
    """Add these bindings behind those that there are, whatever others do; what is bound already stays where it is.

    Raises NotFound for the topic or a target, what ``may`` raises for the target of a new one, and Invalid for too many.
    """
    declaring(tx, "topic", name)
    topic = find(name)
    present = _bindings(topic)
    before = set(present)
    new = list(dict.fromkeys(binding for binding in bound if binding not in before))
    _check_targets(bound, before, may)
    if new and len(present) + len(new) > bindings.MAX_BINDINGS:
        raise Invalid.at("/bindings", f"a topic has at most {bindings.MAX_BINDINGS} bindings; this one has {len(present)}")
    if new:
        _store(tx, topic, {}, present + new)
    return Topic.objects.get(pk=topic.pk)


def unbind(tx: Transaction, name: str, bound: Sequence[Binding]) -> Topic:
    """Take these bindings away, whatever others do; what is not bound any more is no error. Raises NotFound for the topic."""
    declaring(tx, "topic", name)
    topic = find(name)
    present, gone = _bindings(topic), set(bound)
    left = [binding for binding in present if binding not in gone]
    if len(left) < len(present):
        _store(tx, topic, {}, left)
    return Topic.objects.get(pk=topic.pk)


def delete(tx: Transaction, name: str) -> None:
    """The topic and its bindings are gone; what they led to stays. Raises NotFound."""
    declaring(tx, "topic", name)
    definitions.forget(tx, name)
    topic = definitions.find(tx, name)
    tx.change(Q.unbind, topic.id)
    tx.change(Q.delete_topic, topic.id)
    tx.outcome.topic_event(events.REMOVED, topic.id)
    definitions.forget(tx, name)


# Reading


def find(name: str) -> Topic:
    """The topic of that name. Raises NotFound."""
    topic = Topic.objects.filter(name=name).first()
    if topic is None:
        raise NotFound(f"There is no topic {name}.")
    return topic


def list_topics(
    prefix: str = "", *, after: str | None = None, limit: int = 50, visible: Callable[[str], bool] = lambda _: True
) -> listing.Page[Topic]:
    """Topics by name, those with the prefix; ``visible`` says which of them the caller may know of."""
    return listing.page("topics", Topic.objects.all(), prefix, after=after, limit=limit, visible=visible)


def describe(topics: Iterable[Topic]) -> list[dict[str, Any]]:
    """Topics as answers show them. ``missing`` names targets that are gone, ``dropped`` counts what no binding matched."""
    listed = list(topics)
    bound: dict[int, list[Binding]] = {topic.pk: [] for topic in listed}
    rows = models.Binding.objects.filter(topic__in=bound).order_by("topic_id", "position")
    for topic_id, *columns in rows.values_list("topic_id", "pattern", "to", "headers"):
        bound[topic_id].append(Binding(*columns))
    gone = _missing(binding.to for each in bound.values() for binding in each)
    return [
        {
            "name": topic.name,
            "created_at": clock.rfc3339(clock.from_datetime(topic.created_at)),
            "bindings": [binding.shown() for binding in bound[topic.pk]],
            **settings.to_dict(topic),
            "missing": sorted({binding.to for binding in bound[topic.pk]} & gone),
            "dropped": topic.dropped,
            "rates": stats.rates(topic.pk),
        }
        for topic in listed
    ]


def bound_to(to: str) -> list[str]:
    """The names of the topics that lead to a destination."""
    return sorted(set(models.Binding.objects.filter(to=to).values_list("topic__name", flat=True)))


def astray() -> dict[str, list[str]]:
    """Topics that lead to what is not there, with those targets, by name: a message that takes that way is refused."""
    gone = _missing(models.Binding.objects.order_by().values_list("to", flat=True).distinct())
    found: dict[str, list[str]] = {}
    if gone:
        astray = models.Binding.objects.filter(to__in=gone).order_by("topic__name", "to")
        for name, to in astray.values_list("topic__name", "to").distinct():
            found.setdefault(name, []).append(to)
    return found


def route(reads: Reads, name: str, routing_key: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The dry run: where a message would go and by which bindings. Raises NotFound, and Invalid for what is no routing key.

    ``unrouted`` is null, or what would become of a message that no binding matches: ``refuse`` or ``drop``.
    """
    return routes(reads, name, [(routing_key, headers or {})])[0]


def routes(reads: Reads, name: str, asked: Sequence[tuple[str, Mapping[str, str]]]) -> list[dict[str, Any]]:
    """The same of several, by their routing keys and headers."""
    topic = definitions.load(reads, name)
    return [_route(topic, routing_key, headers) for routing_key, headers in asked]


def _route(topic: definitions.Definition, routing_key: str, headers: Mapping[str, str]) -> dict[str, Any]:
    matched: dict[str, list[bindings.Binding]] = {}
    for binding in topic.table.matches(routing_key, headers):
        matched.setdefault(binding.to, []).append(binding)
    routed = [{"to": to, "bindings": [binding.shown() for binding in by]} for to, by in matched.items()]
    return {"routed": routed, "unrouted": None if routed else topic.unrouted}
