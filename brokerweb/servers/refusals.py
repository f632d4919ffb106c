"""What a server answers by itself, where a request never gets as far as the application: a problem, like every other error."""

from __future__ import annotations

from http import HTTPStatus

from brokerweb.core.errors import BrokerError
from brokerweb.faces.codec import problems
from brokerweb.faces.http.body import COMMON
from brokerweb.servers import heads

MALFORMED = "That is no HTTP request that can be read."


def answer(error: BrokerError) -> bytes:
    """The error as a whole answer, the connection's last."""
    body, status = problems.body(error), HTTPStatus(error.http_status)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), *COMMON, (b"content-length", b"%d" % len(body))]
    if isinstance(error, heads.NoHandshake):
        headers.append((b"sec-websocket-version", heads.WEBSOCKET_VERSION))
    lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode())]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join([*lines, b"connection: close", b"", body])
