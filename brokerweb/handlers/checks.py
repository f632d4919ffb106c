"""What ``manage.py check`` knows of handlers. The ids are stable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.handlers import registry
from brokerweb.handlers.registry import Consumer


def twice(consumers: Iterable[Consumer]) -> list[str]:
    """What to say of sources that have several handlers."""
    by_source = groupby(sorted(consumers, key=lambda each: each.source), key=lambda each: each.source)
    named = ((source, [each.name for each in several]) for source, several in by_source)
    return [
        f"{source} has {len(names)} handlers, of which each message would meet one by chance: {', '.join(names)}"
        for source, names in named
        if len(names) > 1
    ]


@register()
def check_handlers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E009: several handlers for one queue or group."""
    if not apps.is_installed("brokerweb.queues"):
        return []
    hint = "Let one function decide what is to be done, or publish to a topic that leads to a queue for each."
    return [Error(what, hint=hint, id="brokerweb.E009") for what in twice(registry.discover())]


@register(Tags.database)
def check_sources(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W006: a handler for what is not there. Asked by those who may look into the database: ``check --database default``."""
    if DEFAULT_DB_ALIAS not in (databases or ()) or not apps.is_installed("brokerweb.queues"):
        return []
    missing = [(each, why) for each in registry.discover() if not _declared(each) and (why := _missing(each))]
    hint = "Declare it in settings (BROKERWEB), and run manage.py migrate."
    return [Warning(f"{each.name} has nothing to work on: {why}", hint=hint, id="brokerweb.W006") for each, why in missing]


def _declared(consumer: Consumer) -> bool:
    """Whether ``migrate`` will make it."""
    given = getattr(settings, "BROKERWEB", {})
    kind, name = ("queues", consumer.queue) if consumer.queue is not None else ("streams", consumer.stream)
    return isinstance(given, dict) and name in (given.get(kind) or {})


def _missing(consumer: Consumer) -> str:
    from brokerweb.handlers.sources import QueueSource
    from brokerweb.storage.reading import Reads, read
    from brokerweb.streams.definitions import load

    def find(reads: Reads) -> None:
        if consumer.queue is not None:
            QueueSource(consumer.queue, consumer).find(reads)
        else:
            load(reads, consumer.stream or "")

    try:
        read(find)
    except NotFound as error:
        return error.detail
    except (BrokerError, DatabaseError):  # there are no tables yet
        return ""
    return ""
