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

from brokerweb.conf import DECLARED
from brokerweb.core.errors import BrokerError
from brokerweb.core.names import check_name
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
from brokerweb.streams import settings as stream_settings
from brokerweb.streams.models import Partition, Stream

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


KINDS = {
    "queues": _Kind(queues.declare, queue_settings.validate, _queue),
    "streams": _Kind(streams.declare, stream_settings.validate, _stream),
    "topics": _Kind(topics.declare, topic_settings.validate, _topic),  # last: they are bound to the others
}


def wrong() -> Iterator[str]:
    """What cannot be declared so, without a look at the database."""
    for kind, name, given, _ in _declarations():
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


def _tables() -> bool:
    """Whether all tables are there, which is not so while migrations are taken back."""
    needed = {model._meta.db_table for model in (Queue, Stream, Topic, Declaration)}
    return needed <= set(connection.introspection.table_names())


def _declarations() -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    declared = getattr(django_settings, "BROKERWEB", None) or {}
    for kind in DECLARED:
        for name, given in (declared.get(kind) or {}).items():
            wanted = dict(given) if isinstance(given, Mapping) else {} if given is None else {repr(given): None}
            yield kind, name, wanted, bool(wanted.pop(ENFORCE, False))


def _apply(tx: Transaction, kind: str, name: str, given: dict[str, Any], enforce: bool) -> list[str]:
    verbs, one = KINDS[kind], kind[:-1]
    present = verbs.present(name)
    if present is None:
        verbs.declare(tx, name, given)
        _remember(kind, name, given)
        return [f"{one} {name} was made"]
    row = Declaration.objects.filter(kind=one, name=name).first()
    before: dict[str, Any] = json.loads(row.settings) if row else {}
    changed = [setting for setting in given if not _agree(present[setting], given[setting])]
    mine = [s for s in changed if enforce or (s in before and _agree(present[s], before[s]))]
    if mine:
        verbs.declare(tx, name, {setting: given[setting] for setting in mine})
    theirs = [setting for setting in changed if setting not in mine]
    _remember(
        kind, name, {s: value for s, value in given.items() if s not in theirs} | {s: before[s] for s in theirs if s in before}
    )
    said = [f"{one} {name}: {s} is {json.dumps(given[s])} now, as declared" for s in mine]
    return said + [f"{one} {name}: {s} stays {json.dumps(present[s])}, though {json.dumps(given[s])} is declared" for s in theirs]


def _agree(present: Any, wanted: Any) -> bool:
    """Whether a setting is as declared: of an object what is named counts, and of a binding no headers are as good as none."""
    if isinstance(present, Mapping) and isinstance(wanted, Mapping):
        return all(name in present and _agree(present[name], value) for name, value in wanted.items())
    if isinstance(present, list) and isinstance(wanted, list | tuple):
        return len(present) == len(wanted) and all(map(_agree, present, wanted))
    return bool(present == wanted)


def _remember(kind: str, name: str, given: Mapping[str, Any]) -> None:
    Declaration.objects.update_or_create(kind=kind[:-1], name=name, defaults={"settings": json.dumps(given)})
