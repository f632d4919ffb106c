"""Conditions of a search, as text: what stands in its field, what a funnel adds to it, and the address of both."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

LONGEST = 2_000  # characters of a search
MOST_PLACES = 20  # patterns it is limited to
LONGEST_TERM = 1_000  # characters of a condition that a funnel adds
_BARE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # anything else is quoted
_FIELDS = ("id", "key", "dedup", "correlation", "publisher", "state", "reason", "fingerprint", "type")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = "header."
EXPORT = "/api/v1/search/export"


@dataclass(frozen=True, slots=True)
class Asked:
    """A search: its text, and the patterns it is limited to."""

    q: str = ""
    places: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: HttpRequest) -> Asked:
        """What the address of a page says that is one of a search, or was opened from one."""
        places = [place[:210] for given in request.GET.getlist("in") for place in given.split()]
        return cls(request.GET.get("q", "").replace("\0", "").strip()[:LONGEST], tuple(filter(None, places))[:MOST_PLACES])

    @property
    def query(self) -> str:
        return urlencode([("q", self.q), *(("in", place) for place in self.places)])

    @property
    def url(self) -> str:
        return f"{reverse('brokerweb_console:search')}?{self.query}"

    @property
    def export(self) -> str:
        """Where all that matches is to be had as a file, without its format."""
        return f"{EXPORT}?{self.query}"

    def only(self, term: str) -> Asked:
        """The same with one condition more; as it is when that stands there already."""
        said = self.q == term or f" {term} " in f" {self.q} "
        return self if said else replace(self, q=f"{self.q} {term}".strip())

    def within(self, places: Sequence[str]) -> Asked:
        return replace(self, places=tuple(places))


def condition(field: str, value: object) -> str:
    """The condition that the field has just this value; empty for what no condition can say.

    A field is a name as ``key``, ``header.`` with any name behind it, ``error``, or the path of a value in a JSON body, as
    ``body_values`` spells it.
    """
    if field in _FIELDS:
        term = f"{field}:{quoted(str(value))}"
    elif field == "error":
        term = f"error~{quoted(str(value), always=True)}"
    elif field.startswith(_HEADER):
        term = f"{_HEADER}{named(field.removeprefix(_HEADER))}={quoted(str(value))}"
    else:
        term = f"{field}={_scalar(value)}"
    return "" if "\0" in term or "\\u0000" in term or len(term) > LONGEST_TERM else term


def quoted(text: str, *, always: bool = False) -> str:
    """The text as one word of a search: in JSON's quotes, where it could be read as something else."""
    return text if _BARE.fullmatch(text) and not always else json.dumps(text, ensure_ascii=False)


def named(name: str) -> str:
    """The name of a header or member, in quotes where it must be."""
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


class Number(str):
    """A number of a JSON body, as it stands there: none is ever read."""

    __slots__ = ()


def _scalar(value: object) -> str:
    """A value of JSON: quoted where it is a text that reads like something else."""
    if isinstance(value, Number):
        return str(value)
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        json.loads(value)
    except ValueError:
        return quoted(value)
    return quoted(value, always=True)
