"""The entries of the navigation, what is behind the gear, and to which of them a page belongs."""

from __future__ import annotations

from typing import NamedTuple

from django.urls import NoReverseMatch, reverse

from brokerweb.identity.principal import Principal

_ENTRIES = {
    "now": ("", "marks"),
    "queues": ("queues",),
    "streams": ("streams",),
    "topics": ("topics", "map"),
    "messages": ("search",),
    "failures": ("dead", "stuck", "retrying"),
    "operations": ("jobs", "audit"),
    "gear": (
        "users",
        "tokens",
        "access",
        "connections",
        "nodes",
        "alerts",
        "alert-rules",
        "alert-channels",
        "masks",
        "schemas",
        "definitions",
    ),
}
_ENTRY_OF = {section: entry for entry, sections in _ENTRIES.items() for section in sections}


class Place(NamedTuple):
    """A page behind the gear, with the beginnings of the addresses that belong to it."""

    key: str
    label: str
    icon: str
    sections: tuple[str, ...]
    url: str


def section(path: str) -> str:
    """What a page is about, by the beginning of its address."""
    first, _, rest = path.strip("/").partition("/")
    return f"{rest}s" if first == "new" else first


def entry(path: str) -> str:
    """The entry of the navigation that a page belongs to; empty for none."""
    return _ENTRY_OF.get(section(path), "")


def administration(principal: Principal) -> list[Place]:
    """What is behind the gear for the person."""
    places = [
        (
            "access",
            "Access",
            "people",
            ("users", "tokens", "access"),
            "users" if principal.admin else "tokens" if principal.delegates else "",
        ),
        ("connections", "Connections", "connections", ("connections",), "connections" if principal.admin else ""),
        ("health", "Health", "overview", ("nodes",), "nodes" if principal.admin else ""),
        ("alerts", "Alerts", "bell", ("alerts", "alert-rules", "alert-channels"), "alerts"),
        ("masks", "Masks", "mask", ("masks",), "masks" if principal.admin else ""),
        ("schemas", "Schemas", "schema", ("schemas",), "schemas" if principal.admin else ""),
        ("definitions", "Definitions", "docs", ("definitions",), "definitions" if principal.admin else ""),
    ]
    found = [Place(key, label, icon, sections, _address(name)) for key, label, icon, sections, name in places if name]
    return [place for place in found if place.url]


def _address(name: str) -> str:
    """The page of that name; of the people's, where there is none, that of the tokens."""
    for known in (name, "tokens" if name == "users" else ""):
        try:
            return reverse(f"brokerweb_console:{known}") if known else ""
        except NoReverseMatch:
            continue
    return ""
