"""Names to choose from while one is typed. Any name may be typed: those that are offered are a few of what may be thousands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django import forms
from django.db.models import QuerySet

from brokerweb.console.broker_form import PLAIN
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue
from brokerweb.routing.models import Topic
from brokerweb.streams.models import Stream

OFFERED = 50  # of each kind
LIST = "destinations"  # the id of the list beside the field


def destination_field(label: str, *, help_text: str, required: bool = True, placeholder: str = "") -> forms.CharField:
    """A destination, typed; ``_destinations.html`` beside it offers some."""
    attrs = {**PLAIN, "list": LIST, "placeholder": placeholder}
    return forms.CharField(label=label, help_text=help_text, required=required, widget=forms.TextInput(attrs=attrs))


def offered(principal: Principal, kinds: Sequence[str], typed: str = "") -> list[str]:
    """Destinations the person may publish to with what was typed in their name, those that begin with it first."""
    kind, colon, part = typed.strip().rpartition(":")
    found = []
    for each in kinds:
        if not colon or kind == each:
            prefix = f"{each}:" if len(kinds) > 1 else ""
            found += [prefix + name for name in _names(principal, each, part[:200])]
    return found


def _names(principal: Principal, kind: str, part: str) -> list[str]:
    may = (name for name in named(kind, part) if principal.may("publish", kind, name))
    return list(islice(may, OFFERED))


def named(kind: str, part: str) -> Iterator[str]:
    """The names of that kind with ``part`` in them, those that begin with it first."""
    return _with(_declared(kind), part)


def _declared(kind: str) -> QuerySet[Any]:
    if kind == "queue":
        return Queue.declared.all()
    return Stream.objects.filter(deleted_at=None) if kind == "stream" else Topic.objects.all()


def _with(rows: QuerySet[Any], part: str) -> Iterator[str]:
    named = rows.order_by("name").values_list("name", flat=True)
    yield from named.filter(name__istartswith=part).iterator()
    if part:
        yield from named.filter(name__icontains=part).exclude(name__istartswith=part).iterator()


def offers(principal: Principal, *kinds: str) -> dict[str, Any]:
    """What the list beside a field offers at first."""
    return {"kinds": kinds, "offered": offered(principal, kinds)}
