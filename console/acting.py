"""Acting for a person: a page that says what it would touch, the verb and its row in the audit trail in one commit, and a word
about how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse

from brokerweb.console.broker_form import BrokerForm
from brokerweb.console.hints import hint
from brokerweb.console.page import SignedIn, render
from brokerweb.core.errors import BrokerError, Forbidden, Invalid, NotFound
from brokerweb.identity.audit import Entry, audited
from brokerweb.storage.run import after

__all__ = ["after", "audited", "check_held", "confirmation", "deed", "made_new", "refusing", "telling"]


def confirmation(request: SignedIn, title: str, text: str, status: int = 200, **context: Any) -> HttpResponse:
    """The page of an action that is to be confirmed."""
    return render(request, "brokerweb_console/confirm.html", status, title=title, text=text, **context)


def deed(request: SignedIn, action: str, target: str, **detail: Any) -> Entry:
    """What the person who asks does, for ``audited``."""
    return Entry(request.principal, action, target, detail, request.META.get("REMOTE_ADDR"))


def check_held(request: SignedIn, verb: str, kind: str, name: str, *, field: str) -> None:
    """That the person holds the verb on a name they typed. Raises Invalid at its field: a page of its own would lose the rest."""
    if not request.principal.may(verb, kind, name):
        raise Invalid.at(f"/{field}", f"{verb} on {kind}:{name} is not among your grants")


def made_new(kind: str, found: QuerySet[Any], verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb that declares, which makes something new or raises Invalid: what is there by now is somebody else's."""

    def check(_: Any) -> None:
        if found.exists():
            raise Invalid.at("/name", f"There is a {kind} of that name.")

    return after(check, verb, kind)


class Say(Protocol):
    """What the note says when all went well; with ``undo``, as ``notes.offer`` writes it, it has a button for that."""

    def __call__(self, text: str, undo: str = "") -> None: ...


@contextmanager
def telling(request: SignedIn, said: str = "") -> Iterator[Say]:
    """Say at the top of the next page that it is done, or what went wrong, with its code and what to do.

    The block may call what it gets with better words. What is forbidden or not there is not caught: it is a page of its
    own, with its status.
    """
    words = [(said, "")]

    def say(text: str, undo: str = "") -> None:
        words.append((text, undo))

    try:
        yield say
    except (Forbidden, NotFound):
        raise
    except BrokerError as error:
        messages.error(request, error.detail, extra_tags=f"{error.code}|{hint(error)}")
    else:
        text, undo = words[-1]
        messages.success(request, text, extra_tags=undo)


@contextmanager
def refusing(asked: BrokerForm) -> Iterator[None]:
    """What the block's verb refuses stands at the form's fields afterwards. What is forbidden is a page of its own."""
    try:
        yield
    except Forbidden:
        raise
    except BrokerError as error:
        asked.refuse(error)
