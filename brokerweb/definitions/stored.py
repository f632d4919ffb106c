"""The sections of what messages go through: queues, streams, their groups, and topics with their bindings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Count

from brokerweb.core.settings import plain
from brokerweb.definitions.section import Faults, Place, Settings, Step, Tabled, There, value_of
from brokerweb.identity.audit import Entry, with_entry
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues import control as queues
from brokerweb.queues import settings as queue_settings
from brokerweb.queues.models import Queue
from brokerweb.routing import bindings, models, topics
from brokerweb.routing import settings as topic_settings
from brokerweb.routing.bindings import Binding
from brokerweb.routing.models import Topic
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import control as streams
from brokerweb.streams import group_settings, groups
from brokerweb.streams import settings as stream_settings
from brokerweb.streams.models import ConsumerGroup, Partition, Stream


class Stored(Tabled):
    """A kind that one verb declares."""

    verb: ClassVar[Callable[..., Any]]

    def value(self, base: Settings, name: str, given: Any) -> Any:
        if name != "backoff":
            return super().value(base, name, given)
        had = base.get(name) or {part: plain(setting.default) for part, setting in queue_settings.BACKOFF.items()}
        parts = dict.fromkeys(queue_settings.BACKOFF) if given is None else given
        return had | {part: value_of(queue_settings.BACKOFF[part], said) for part, said in parts.items()}

    def declare(self, tx: Transaction, by: Principal, steps: Sequence[Step], address: str | None) -> Mapping[Place, str]:
        for step in steps:
            one = step.wanted
            assert one is not None  # noqa: S101 (the others are left)
            entry = Entry(by, f"{self.kind[:-1]}.declare", one.target, one.settings, address)
            with_entry(tx, entry, type(self).verb, *one.place, one.settings)
        return {}


class Queues(Stored):
    kind, of, table = "queues", "queue", queue_settings.SETTINGS
    verb = queues.declare

    def declared(self) -> dict[Place, Settings]:
        return {(queue.name,): queue_settings.to_dict(queue) for queue in Queue.declared.iterator()}

    def validate(self, settings: Settings) -> None:
        queue_settings.validate(settings)

    def misfits(self, step: Step, there: There) -> Faults:
        if step.before is None or step.after is None or step.before["keyed"] == step.after["keyed"]:
            return []
        found = Queue.declared.filter(name=step.place[0]).first()
        holds = found is not None and any(browse.describe(found)["counts"].values())
        return [("/keyed", "changes only while the queue is empty")] if holds else []


class Streams(Stored):
    kind, of, table = "streams", "stream", stream_settings.SETTINGS
    verb = streams.declare

    def declared(self) -> dict[Place, Settings]:
        parts = dict(Partition.objects.order_by().values_list("stream").annotate(Count("pk")))
        there = Stream.objects.filter(deleted_at=None)
        return {(stream.name,): stream_settings.to_dict(stream, parts.get(stream.pk, 0)) for stream in there}

    def validate(self, settings: Settings) -> None:
        stream_settings.validate(settings)

    def misfits(self, step: Step, there: There) -> Faults:
        have = (step.before or {}).get("partitions", 0)
        fewer = step.after is not None and step.after.get("partitions", have) < have
        return [("/partitions", f"there are {have}: they can become more, not fewer")] if fewer else []


class Groups(Stored):
    kind, of, names = "groups", "stream", ("stream", "name")
    table = {**queue_settings.SETTINGS, **group_settings.SETTINGS}
    verb = groups.declare_group

    def declared(self) -> dict[Place, Settings]:
        there = list(ConsumerGroup.objects.filter(stream__deleted_at=None).select_related("stream"))
        shared = ConsumerGroup.objects.exclude(queue_id=None).values("queue_id")
        own = {queue.pk: queue for queue in Queue.objects.filter(pk__in=shared)}
        found: dict[Place, Settings] = {}
        for group in there:
            shown = {name: plain(getattr(group, setting.column)) for name, setting in group_settings.SETTINGS.items()}
            if (queue := own.get(group.queue_id or 0)) is not None:
                of_queue = queue_settings.to_dict(queue)
                shown |= {name: value for name, value in of_queue.items() if name in group_settings.OF_SHARED}
            found[group.stream.name, group.name] = shown
        return found

    def validate(self, settings: Settings) -> None:
        group_settings.validate(settings, settings.get("kind") or group_settings.PARTITIONED)

    def misfits(self, step: Step, there: There) -> Faults:
        if not there("streams", step.place[0]):
            return [("/stream", f"There is no stream {step.place[0]}.")]
        other = step.before and step.after and step.before["kind"] != step.after["kind"]
        return [("/kind", "the kind of a group does not change")] if other else []


class Topics(Stored):
    kind, of, table = "topics", "topic", topic_settings.SETTINGS
    verb = topics.declare

    def declared(self) -> dict[Place, Settings]:
        bound: dict[int, list[dict[str, Any]]] = {}
        for topic, *columns in models.Binding.objects.order_by("position").values_list("topic", "pattern", "to", "headers"):
            bound.setdefault(topic, []).append(Binding(*columns).shown())
        there = Topic.objects.all()
        return {(topic.name,): topic_settings.to_dict(topic) | {"bindings": bound.get(topic.pk, [])} for topic in there}

    def validate(self, settings: Settings) -> None:
        topic_settings.validate(settings)

    def value(self, base: Settings, name: str, given: Any) -> Any:
        if name == "bindings":
            return [binding.shown() for binding in bindings.parse(given, [])]
        return super().value(base, name, given)

    def misfits(self, step: Step, there: There) -> Faults:
        bound = (step.after or {}).get("bindings", [])
        before = [binding["to"] for binding in (step.before or {}).get("bindings", [])]  # what is bound already may have gone
        faults: Faults = []
        for at, binding in enumerate(bound):
            kind, _, name = binding["to"].partition(":")
            if binding["to"] not in before and not there(f"{kind}s", name):
                faults.append((f"/bindings/{at}/to", f"There is no {kind} {name}."))
        return faults
