"""Errors as RFC 9457 problem details, for every HTTP face."""

from __future__ import annotations

import logging

import msgspec
from django.db import OperationalError

from brokerweb.core.errors import BrokerError, Internal, Unauthenticated
from brokerweb.storage.run import refusal

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


def body(error: BrokerError) -> bytes:
    """The error as JSON."""
    return msgspec.json.encode(error.problem())


def headers(error: BrokerError) -> dict[str, str]:
    """What goes with the error besides its body."""
    found: dict[str, str] = {}
    if error.retry_after is not None:
        found["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        found["WWW-Authenticate"] = "Bearer"
    return found


def of_exception(error: Exception) -> BrokerError:
    """A broker's error as it is; any other is logged, with its traceback, and told as ``internal`` without a word of it."""
    if isinstance(error, BrokerError):
        return error
    if isinstance(error, OperationalError) and (known := refusal(error)) is not None:
        return known
    log.error("an HTTP request failed", exc_info=error)
    return Internal()
