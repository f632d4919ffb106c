"""The one tree of errors. A class is a code, an HTTP status and a retry rule; its docstring is the message.

Faces translate these and nothing else: REST as RFC 9457 problem details, WebSocket as ``error`` frames.
"""

from __future__ import annotations

from typing import Any, ClassVar

MAX_ERRORS, MAX_TEXT = 100, 500  # places that one answer names, and characters of each text
MAX_STEP = 200  # characters of a pointer's step: a name stays whole


def escape_pointer(step: object) -> str:
    """One step of a JSON Pointer (RFC 6901), cut where it is too long to be a name of ours."""
    return str(step)[:MAX_STEP].replace("~", "~0").replace("/", "~1")


def shorten(text: str) -> str:
    """A text as answers carry it, which may quote what came in."""
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


class BrokerError(Exception):
    """The broker could not do that."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after: ClassVar[int | None] = None  # seconds, sent as Retry-After

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.extra = extra
        super().__init__(self.detail)

    @property
    def title(self) -> str:
        """The error's kind in words, the same for every occurrence."""
        return (type(self).__doc__ or "").strip().splitlines()[0]

    def problem(self) -> dict[str, Any]:
        """The error as RFC 9457 problem details."""
        return {
            "type": f"urn:brokerweb:error:{self.code}",
            "title": self.title,
            "status": self.http_status,
            "detail": shorten(self.detail),
            "code": self.code,
            "retryable": self.retryable,
            **self.extra,
        }


class Invalid(BrokerError):
    """The request is not valid."""

    code, http_status = "invalid", 400

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail, **extra)
        errors = extra.get("errors") or [{"pointer": "", "detail": self.detail}]  # the whole of it, where no place is named
        self.extra["errors"] = [{name: shorten(text) for name, text in error.items()} for error in errors[:MAX_ERRORS]]

    @classmethod
    def at(cls, pointer: str, detail: str) -> Invalid:
        """An error in one place of the request; ``pointer`` is a JSON Pointer (RFC 6901)."""
        return cls(f"{pointer}: {detail}" if pointer else detail, errors=[{"pointer": pointer, "detail": detail}])


class Unauthenticated(BrokerError):
    """A valid token or session is needed."""

    code, http_status = "unauthenticated", 401


class Forbidden(BrokerError):
    """Your grants do not allow that."""

    code, http_status = "forbidden", 403


class NotFound(BrokerError):
    """There is nothing of that name."""

    code, http_status = "not_found", 404


class MethodNotAllowed(BrokerError):
    """That method is not allowed here."""

    code, http_status = "method_not_allowed", 405


class Conflict(BrokerError):
    """The present state does not allow that."""

    code, http_status = "conflict", 409


class LeaseLost(BrokerError):
    """The lease is no longer yours: it ended, or the message was settled."""

    code, http_status = "lease_lost", 409


class PreconditionFailed(BrokerError):
    """It is not what it was when you read it."""

    code, http_status = "precondition_failed", 412


class TooLarge(BrokerError):
    """The request or the body is too large."""

    code, http_status = "too_large", 413


class OffsetOutOfRange(BrokerError):
    """The offset is not in the stream."""

    code, http_status = "offset_out_of_range", 416


class Unroutable(BrokerError):
    """No binding matches, and the topic refuses what it cannot route."""

    code, http_status = "unroutable", 422


class HeadTooLarge(BrokerError):
    """The request's line and headers are too large."""

    code, http_status = "head_too_large", 431


class QueueFull(BrokerError):
    """The queue has reached its max_length."""

    code, http_status, retryable, retry_after = "queue_full", 429, True, 1


class RateLimited(BrokerError):
    """Too many requests of this kind."""

    code, http_status, retryable, retry_after = "rate_limited", 429, True, 1


class Internal(BrokerError):
    """The broker made an error."""

    code, http_status = "internal", 500


class Unavailable(BrokerError):
    """The broker cannot answer now; whether it acted is not known unless it says so."""

    code, http_status, retryable, retry_after = "unavailable", 503, True, 1


class StoreFull(BrokerError):
    """The disk is full."""

    code, http_status, retryable, retry_after = "store_full", 507, True, 5


def all_errors() -> list[type[BrokerError]]:
    """Every error with a code of its own, in the order of this file."""
    return [c for c in globals().values() if isinstance(c, type) and issubclass(c, BrokerError) and c is not BrokerError]
