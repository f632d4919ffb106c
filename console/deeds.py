"""Acting for a person: the verb and its row in the audit trail in one commit, and a word about how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages

from brokerweb.console.advice import advice
from brokerweb.console.forms import BrokerForm
from brokerweb.console.page import SignedIn
from brokerweb.core.errors import BrokerError, Forbidden, Invalid, NotFound
from brokerweb.identity.audit import Entry, audited

__all__ = ["audited", "carried_out", "check_held", "deed", "telling"]


def deed(request: SignedIn, action: str, target: str, **detail: Any) -> Entry:
    """What the person who asks does, for ``audited``."""
    return Entry(request.principal, action, target, detail, request.META.get("REMOTE_ADDR"))


def check_held(request: SignedIn, verb: str, kind: str, name: str, *, field: str) -> None:
    """That the person holds the verb on a name they typed. Raises Invalid at its field: a page of its own would lose the rest."""
    if not request.principal.may(verb, kind, name):
        raise Invalid.at(f"/{field}", f"{verb} on {kind}:{name} is not among your grants")


@contextmanager
def telling(request: SignedIn, said: str = "") -> Iterator[Callable[[str], None]]:
    """Say at the top of the next page that it is done, or what went wrong, with its code and what to do.

    The block may call what it gets with better words. What is forbidden or not there is not caught: it is a page of its
    own, with its status.
    """
    words = [said]
    try:
        yield words.append
    except (Forbidden, NotFound):
        raise
    except BrokerError as error:
        messages.error(request, error.detail, extra_tags=f"{error.code}|{advice(error)}")
    else:
        messages.success(request, words[-1])


def carried_out(asked: BrokerForm, act: Callable[[], object]) -> bool:
    """Whether the form was posted and its deed is done; what the verb refuses stands at its field then. Raises Forbidden."""
    if not (asked.is_bound and asked.is_valid()):
        return False
    try:
        act()
    except Forbidden:
        raise
    except BrokerError as error:
        asked.refuse(error)
        return False
    return True
