"""What every REST call declares about itself: who may make it, what it takes, what it answers.

Permissions are enforced from here and the OpenAPI document is written from here, so that neither can differ from the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from brokerweb.identity.principal import Principal

F = TypeVar("F", bound=Callable[..., Any])
Permit = Callable[[Principal, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Permission:
    """Who may make a call: words for the document, and what raises Forbidden."""

    words: str
    check: Permit


def on_queue(verb: str) -> Permission:
    """The verb, held on the queue that the path names."""
    return Permission(f"`{verb}` on the queue", lambda principal, named: principal.require(verb, "queue", named["q"]))


def on_stream(verb: str) -> Permission:
    """The verb, held on the stream that the path names."""
    return Permission(f"`{verb}` on the stream", lambda principal, named: principal.require(verb, "stream", named["s"]))


def on_topic(verb: str) -> Permission:
    """The verb, held on the topic that the path names."""
    return Permission(f"`{verb}` on the topic", lambda principal, named: principal.require(verb, "topic", named["t"]))


ANYONE = Permission("a token or session; what is listed depends on its grants", lambda principal, named: None)
ADMIN = Permission("`admin` on `*`", lambda principal, named: principal.require_admin())


def _require_delegate(principal: Principal, named: Mapping[str, Any]) -> None:
    if not principal.delegates:
        principal.require_admin()


DELEGATE = Permission("`admin` on any pattern", _require_delegate)


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query or a header."""

    name: str
    schema: Mapping[str, Any]
    description: str
    where: str = "query"


@dataclass(frozen=True)
class Operation:
    """One call."""

    id: str
    permission: Permission
    summary: str
    answers: Mapping[int, Any]  # status -> the type of its body, or None for none
    request: Any = None  # the type of the body
    request_required: bool = True
    media_type: str = "application/json"  # of its answers
    raw: bool = False  # any body, described by the request's headers
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[str, ...] = ()  # codes besides those that any call may meet
    description: str = ""
    tag: str = field(default="queues")


def operation(described: Operation) -> Callable[[F], F]:
    """Declare the call that a view's method answers."""

    def declare(method: F) -> F:
        method.operation = described  # type: ignore[attr-defined]  # read by ``of``
        return method

    return declare


def of(view: Any, method: str) -> Operation | None:
    """The operation behind a view (class or instance) and an HTTP method; None where it has none."""
    name = "get" if method.lower() == "head" else method.lower()
    found: Operation | None = getattr(getattr(view, name, None), "operation", None)
    return found
