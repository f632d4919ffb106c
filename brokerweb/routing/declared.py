"""What a project's settings declare: queues, streams and topics that are there after ``migrate`` and at every start.

    BROKERWEB = {"queues": {"orders": {"max_failures": 5}}, "streams": {"events": {"partitions": 4}}}

Settings that are declared otherwise than before are changed. What a person has changed since stays, and is reported, unless the
declaration says ``"enforce": True``. What is declared no longer stays as it is: nothing is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings as django_settings
from django.db import connection

from brokerweb.conf import DECLARED, declared_elsewhere
from brokerweb.core.errors import BrokerError
from brokerweb.core.names import check_name
from brokerweb.core.settings import plain
from brokerweb.identity.audit import Entry, with_entry
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import control as queues
from brokerweb.queues import settings as queue_settings
from brokerweb.queues.models import Queue
from brokerweb.routing import settings as topic_settings
from brokerweb.routing import topics
from brokerweb.routing.bindings import Binding
from brokerweb.routing.models import Declaration, Topic
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import control as streams
from brokerweb.streams import group_settings
from brokerweb.streams import settings as stream_settings
from brokerweb.streams.models import ConsumerGroup, Partition, Stream

ENFORCE = "enforce"


class _Kind(NamedTuple):
    declare: Callable[[Transaction, str, Mapping[str, Any]], Any]
    validate: Callable[[Mapping[str, Any]], Any]
    present: Callable[[str], dict[str, Any] | None]


def _queue(name: str) -> dict[str, Any] | None:
    found = Queue.objects.filter(name=name, deleted_at=None).first()
    return queue_settings.to_dict(found) if found else None


def _stream(name: str) -> dict[str, Any] | None:
    found = Stream.objects.filter(name=name, deleted_at=None).first()
    return stream_settings.to_dict(found, Partition.objects.filter(stream=found).count()) if found else None


def _topic(name: str) -> dict[str, Any] | None:
    found = Topic.objects.filter(name=name).first()
    if found is None:
        return None
    rows = found.bindings.order_by("position").values_list("pattern", "to", "headers")
    return topic_settings.to_dict(found) | {"bindings": [Binding(*row).shown() for row in rows]}


def _group(place: str) -> dict[str, Any] | None:
    stream, _, name = place.partition("/")
    found = ConsumerGroup.objects.filter(stream__name=stream, stream__deleted_at=None, name=name).first()
    if found is None:
        return None
    shown = {name: plain(getattr(found, setting.column)) for name, setting in group_settings.SETTINGS.items()}
    own = None if found.queue_id is None else Queue.objects.filter(pk=found.queue_id).first()
    if own is not None:
        shown |= {name: value for name, value in queue_settings.to_dict(own).items() if name in group_settings.OF_SHARED}
    return shown


KINDS = {
    "queues": _Kind(queues.declare, queue_settings.validate, _queue),
    "streams": _Kind(streams.declare, stream_settings.validate, _stream),
    "topics": _Kind(topics.declare, topic_settings.validate, _topic),  # last: they are bound to the others
}


def settings_of(kind: str, name: str) -> dict[str, Any] | None:
    """How a queue, stream or topic is declared now, or a group, named ``STREAM/GROUP``; None where there is none of that name."""
    return _group(name) if kind == "group" else KINDS[f"{kind}s"].present(name) if f"{kind}s" in KINDS else None


def wrong() -> Iterator[str]:
    """What cannot be declared so, without a look at the database."""
    for kind in DECLARED:
        if not isinstance(_declared(kind), Mapping):
            yield f"BROKERWEB[{kind!r}] must be a dictionary of settings by name, such as {{'orders': {{}}}}"
    for kind, name, given, enforce in (each for every in DECLARED for each in _of_project(every)):
        if not isinstance(enforce, bool):
            yield f"BROKERWEB[{kind!r}][{name!r}]: enforce must be True or False"
        try:
            check_name(name)
            KINDS[kind].validate(given)
        except BrokerError as error:
            yield f"BROKERWEB[{kind!r}][{name!r}]: {error}"


def apply() -> list[str]:
    """Make what is declared, or change it, in a commit each; what was done, and what stays as a person has made it."""
    said: list[str] = []
    if any(_declarations()) and not _tables():
        return said
    for kind, name, given, enforce in _declarations():
        try:
            said += perform(_apply, kind, name, given, enforce)
        except BrokerError as error:
            said.append(f"{kind[:-1]} {name} is not as declared: {error}")
    return said


def destinations() -> set[str]:
    """What is declared, as ``queue:NAME``, ``stream:NAME``, ``topic:NAME``."""
    return {f"{kind[:-1]}:{name}" for kind, name, *_ in _declarations()}


def _tables() -> bool:
    """Whether all tables are there, which is not so while migrations are taken back."""
    needed = {model._meta.db_table for model in (Queue, Stream, Topic, Declaration, AuditEntry)}
    return needed <= set(connection.introspection.table_names())


def _declarations() -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    elsewhere = [declaration for others in declared_elsewhere for declaration in others()]
    for kind in DECLARED:
        of_project = [*_of_project(kind)]
        yield from of_project
        said = {name for _, name, *_ in of_project}
        for its_kind, name, given in elsewhere:
            if its_kind == kind and name not in said:
                said.add(name)
                yield kind, name, given, False


def _declared(kind: str) -> Any:
    return (getattr(django_settings, "BROKERWEB", None) or {}).get(kind) or {}


def _of_project(kind: str) -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    """Nothing of what is no dictionary, which ``wrong`` tells."""
    declared = _declared(kind)
    for name, given in declared.items() if isinstance(declared, Mapping) else ():
        wanted: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {} if given is None else {repr(given): None}
        yield kind, name, wanted, wanted.pop(ENFORCE, False)


def _apply(tx: Transaction, kind: str, name: str, given: dict[str, Any], enforce: bool) -> list[str]:
    verbs, one = KINDS[kind], kind[:-1]
    present = verbs.present(name)
    if present is None:
        _declare(tx, kind, name, given)
        _remember(kind, name, given)
        return [f"{one} {name} was made"]
    row = Declaration.objects.filter(kind=one, name=name).first()
    before: dict[str, Any] = json.loads(row.settings) if row else {}
    changed = [setting for setting in given if not _agree(present[setting], given[setting])]
    mine = [s for s in changed if enforce or (s in before and _agree(present[s], before[s]))]
    if mine:
        _declare(tx, kind, name, {setting: given[setting] for setting in mine})
    theirs = [setting for setting in changed if setting not in mine]
    _remember(
        kind, name, {s: value for s, value in given.items() if s not in theirs} | {s: before[s] for s in theirs if s in before}
    )
    said = [f"{one} {name}: {s} is {json.dumps(given[s])} now, as declared" for s in mine]
    return said + [f"{one} {name}: {s} stays {json.dumps(present[s])}, though {json.dumps(given[s])} is declared" for s in theirs]


def _declare(tx: Transaction, kind: str, name: str, settings: Mapping[str, Any]) -> None:
    one = kind[:-1]
    entry = Entry(broker_itself("the project's settings"), f"{one}.declare", f"{one}:{name}", settings, None)
    with_entry(tx, entry, KINDS[kind].declare, name, settings)


def _agree(present: Any, wanted: Any) -> bool:
    """Whether a setting is as declared: of an object what is named counts, and of a binding no headers are as good as none."""
    if isinstance(present, Mapping) and isinstance(wanted, Mapping):
        return all(name in present and _agree(present[name], value) for name, value in wanted.items())
    if isinstance(present, list) and isinstance(wanted, list | tuple):
        return len(present) == len(wanted) and all(map(_agree, present, wanted))
    return bool(present == wanted)


def _remember(kind: str, name: str, given: Mapping[str, Any]) -> None:
    Declaration.objects.update_or_create(kind=kind[:-1], name=name, defaults={"settings": json.dumps(given)})
