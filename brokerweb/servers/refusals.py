"""What a server answers by itself, where a request never gets as far as the application: a problem, like every other error."""

from __future__ import annotations

from http import HTTPStatus

from brokerweb.core.errors import BrokerError
from brokerweb.faces.codec import problems

MALFORMED = "That is no HTTP request that can be read."


def answer(error: BrokerError) -> bytes:
    """The error as a whole answer, the connection's last."""
    body, status = problems.body(error), HTTPStatus(error.http_status)
    head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {problems.MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
