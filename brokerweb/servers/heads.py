"""What the head of a request may be (RFC 9110, 9112 and, for handshakes, 6455): the same under both servers.

Their parsers differ, and both read more than the RFCs allow: what one of them, or a proxy before it, takes for the end of a
request another takes for the beginning of one. So what is not plainly right is refused, and ends the connection. The texts
hold nothing of the request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from brokerweb.core.errors import HeadTooLarge, Invalid

MAX_BYTES, MAX_FIELDS = 65_536, 500
WEBSOCKET_VERSION = b"13"

# The registered ones that both parsers know, but for CONNECT, which asks for a tunnel, and PRI, which begins HTTP/2.
METHODS = frozenset(
    b"ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE OPTIONS PATCH POST PROPFIND"
    b" PROPPATCH PUT REBIND REPORT SEARCH TRACE UNBIND UNLINK UNLOCK".split()
)
CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # in no line of a head, once its CRLF is cut off
_REQUEST_LINE = re.compile(rb"([^ ]+) ([\x21-\x7e]+) (HTTP/1\.[01])")
_PATH = re.compile(rb"/[\x21\x22\x24-\x7e]*")  # visible ASCII; what stands behind a # is never sent
_URL = re.compile(rb"https?://([^/?#]*)([/?][\x21\x22\x24-\x7e]*)?", re.IGNORECASE)
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")  # 16 bytes
_ORIGIN = re.compile(rb"null|file://|[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9._~%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

TOO_LARGE = f"The request's head is larger than {MAX_BYTES} bytes."
TOO_MANY = f"A request has at most {MAX_FIELDS} header fields."
LINE = "A request begins with METHOD /path HTTP/1.1, or HTTP/1.0, with one space between each."
METHOD = "The method is none of those that HTTP has."
TARGET = "The target of a request is a path, or a whole http or https URL."
HOST = "A request has one Host, which is a name or an address, and perhaps a port."
FRAMING = "A body has one Content-Length in digits or, in HTTP/1.1, one Transfer-Encoding, which is chunked; never both."
HANDSHAKE = "That is no WebSocket handshake of version 13 (RFC 6455)."

Values = Callable[[bytes], list[bytes]]  # the values of all lines of the header of that name, in lower case


class NoHandshake(Invalid):
    """The request is not valid."""

    def __init__(self) -> None:
        super().__init__(HANDSHAKE)


class Line(NamedTuple):
    """A request line; ``host`` is what the target names by itself, else empty."""

    method: bytes
    path: bytes
    version: bytes
    host: bytes


def read_line(text: bytes) -> Line:
    """A request line without its CRLF. Raises Invalid."""
    found = _REQUEST_LINE.fullmatch(text)
    if found is None:
        raise Invalid(LINE)
    method, target, version = found.groups()
    if method not in METHODS:
        raise Invalid(METHOD)
    if _PATH.fullmatch(target):
        return Line(method, target, version, b"")
    url = _URL.fullmatch(target)
    if url is None or not _HOST.fullmatch(url[1]):
        raise Invalid(TARGET)
    path = url[2] or b"/"
    return Line(method, path if path.startswith(b"/") else b"/" + path, version, url[1])


def check_fields(line: Line, values: Values) -> None:
    """Where the request goes, and how long it is. Raises Invalid."""
    hosts, codings, lengths = values(b"host"), values(b"transfer-encoding"), values(b"content-length")
    if len(hosts) != 1 and (hosts or line.version != b"HTTP/1.0"):
        raise Invalid(HOST)
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise Invalid(HOST)
    if len(lengths) > 1 or (lengths and not (lengths[0].isdigit() and len(lengths[0]) <= 18)):
        raise Invalid(FRAMING)
    if codings and (len(codings) > 1 or codings[0].lower() != b"chunked" or lengths or line.version == b"HTTP/1.0"):
        raise Invalid(FRAMING)


def upgrade(line: Line, values: Values) -> bytes | None:
    """The protocol that the client asks to change to, in lower case; HTTP/1.0 cannot ask (RFC 9110, 7.8)."""
    asked = values(b"upgrade")
    if not asked or line.version == b"HTTP/1.0":
        return None
    options = b",".join(values(b"connection")).lower().split(b",")
    return b",".join(asked).lower() if b"upgrade" in [option.strip(b" \t") for option in options] else None


def check_handshake(line: Line, values: Values) -> None:
    """A WebSocket's. Raises NoHandshake."""
    keys, origins = values(b"sec-websocket-key"), values(b"origin")
    offered = [name.strip(b" \t") for name in b",".join(values(b"sec-websocket-protocol")).split(b",")]
    right = (
        line.method == b"GET"
        and not values(b"transfer-encoding")
        and values(b"content-length") in ([], [b"0"])
        and values(b"sec-websocket-version") == [WEBSOCKET_VERSION]
        and len(keys) == 1
        and _KEY.fullmatch(keys[0])
        and len(set(offered)) == len(offered)
        and len(origins) <= 1
        and all(_ORIGIN.fullmatch(origin) for origin in origins)
    )
    if not right:
        raise NoHandshake()


def too_large() -> HeadTooLarge:
    """The refusal of a head that has more bytes."""
    return HeadTooLarge(TOO_LARGE)


def check_count(fields: int) -> None:
    """Raises HeadTooLarge."""
    if fields > MAX_FIELDS:
        raise HeadTooLarge(TOO_MANY)
