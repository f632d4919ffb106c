"""What a server answers by itself, where a request never gets as far as the application: a problem, like every other error."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from brokerweb.core.errors import BrokerError
from brokerweb.faces.codec import problems
from brokerweb.faces.http.body import COMMON
from brokerweb.servers import heads

MALFORMED = "That is no HTTP request that can be read."


def answer(error: BrokerError) -> bytes:
    """The error as a whole answer, the connection's last."""
    body = problems.body(error)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), *COMMON, (b"content-length", b"%d" % len(body))]
    if isinstance(error, heads.NoHandshake):
        headers.append((b"sec-websocket-version", heads.WEBSOCKET_VERSION))
    return response(error.http_status, headers, body)


def response(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A whole answer, the connection's last; the headers say how long the body is."""
    lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()), *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"connection: close", b"", body])
