"""Forwarded headers, believed from the proxies an operator named and from nobody else.

Each proxy adds what it saw at the end of a list: ``X-Forwarded-For``, ``-Proto`` and ``-Host``, or the elements of ``Forwarded``
(RFC 7239). From the right, the entries of proxies that are trusted count; what stands before them anyone may have written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from brokerweb.core import addresses
from brokerweb.core.addresses import UNKNOWN, Network
from brokerweb.faces.http.body import Scope

_SCHEMES = {"http": ("http", "ws"), "https": ("https", "wss"), "ws": ("http", "ws"), "wss": ("https", "wss")}
_HOST = re.compile(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PAIR = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*(?:;|$)')
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


def believe(scope: Scope, trusted: Sequence[Network]) -> None:
    """Put the client, scheme and host that trusted proxies report into the scope."""
    client = scope.get("client")
    if not client or not addresses.within(addresses.parse(str(client[0])), trusted):
        return
    hops, elements = _listed(scope, b"x-forwarded-for"), _elements(scope)
    named = [element.get("for", UNKNOWN) for element in elements]
    ways = [_client(each, trusted) for each in (hops, named) if each]
    if ways:
        found, proxies = ways[0]
        # A proxy writes one of the two, and lets its client's other one through: where they differ neither is known.
        scope["client"] = (found if all(other == found for other, _ in ways) else UNKNOWN, 0)
    else:
        proxies = 1
    kinds = _listed(scope, b"x-forwarded-proto") or [element.get("proto", "") for element in elements]
    if schemes := _SCHEMES.get(_of_last_trusted(kinds, proxies).lower()):
        scope["scheme"] = schemes[scope["type"] == "websocket"]
    hosts = _listed(scope, b"x-forwarded-host") or [element.get("host", "") for element in elements]
    if _HOST.fullmatch(host := _of_last_trusted(hosts, proxies)):
        scope["headers"] = [*((n, v) for n, v in scope["headers"] if n != b"host"), (b"host", host.encode("latin-1"))]


def address(scope: Scope) -> str:
    """The client's address, with its port where that is known."""
    host, port = scope.get("client") or ("", 0)
    return addresses.shown(str(host), port)


def _listed(scope: Scope, name: bytes) -> list[str]:
    """The entries of a header that is a list, over all of its lines."""
    text = ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _elements(scope: Scope) -> list[dict[str, str]]:
    """The elements of ``Forwarded``, each by the names in lower case."""
    text = ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == b"forwarded")
    return [
        {name.lower(): re.sub(r"\\(.)", r"\1", value.strip('"')) for name, value in _PAIR.findall(element)}
        for element in _ELEMENT.findall(text)
    ]


def _client(hops: Sequence[str], trusted: Sequence[Network]) -> tuple[str, int]:
    """The last address in the list that is not a trusted proxy, and how many proxies were passed to come to it."""
    for passed, hop in enumerate(reversed(hops), start=1):
        parsed = addresses.parse(hop)
        if parsed is None:
            return UNKNOWN, passed
        if passed == len(hops) or not addresses.within(parsed, trusted):
            return str(parsed), passed
    return UNKNOWN, 1


def _of_last_trusted(entries: Sequence[str], proxies: int) -> str:
    """What the outermost trusted proxy wrote; a proxy that overwrites leaves one entry alone."""
    return entries[-min(proxies, len(entries))] if entries else ""
