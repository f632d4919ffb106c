"""Addresses of clients, in every form that proxies and servers write them: one reading for limits, trust, audit and display.

What cannot be read is no address: it is trusted by nobody, and all of it counts as one client, ``UNKNOWN``.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"  # also what a proxy writes for a client that it does not know (RFC 7239, 6.2)
_LONGEST = 100  # characters of an address with its zone, brackets and port


def parse(text: str) -> Address | None:
    """The address in ``192.0.2.7``, ``192.0.2.7:51234``, ``2001:db8::7``, ``[2001:db8::7]:51234``, also quoted, with a zone
    (``fe80::1%eth0``), or an IPv4 address within an IPv6 one (``::ffff:192.0.2.7``); None for anything else.
    """
    text = text.strip().strip('"').strip()
    if not text or len(text) > _LONGEST:
        return None
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in text or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}") or "." not in text:
            return None
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if "%" in text and found.version == 4:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_port(text: str) -> bool:
    """Whether it is ``:PORT``; RFC 7239 has names such as ``:_secret`` for ports that are not told."""
    port = text[1:]
    return text[:1] == ":" and (port.isdecimal() or port.startswith("_")) and 0 < len(port) <= 20 and port.isascii()


def network(text: str) -> Network:
    """A network, or an address as one; IPv4 within IPv6 is IPv4, as ``parse`` has it. Raises ValueError."""
    found = ip_network(text.strip(), strict=False)
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    return ip_network((int(mapped), found.prefixlen - 96)) if mapped is not None and found.prefixlen >= 96 else found


def within(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether it is in one of the networks."""
    return address is not None and any(address in network for network in networks)


def bucket(text: str) -> str:
    """Whom a limit counts together: an IPv4 address, the /64 that an IPv6 address is in (one customer has that many), and all
    that cannot be read.
    """
    address = parse(text)
    if address is None:
        return UNKNOWN
    return str(address) if address.version == 4 else str(ip_network((int(address), 64), strict=False))


def shown(host: str, port: int) -> str:
    """``host:port``; a client behind a proxy has no port that is known."""
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
