"""ETags of what is declared, and the conditions that a change may come with (RFC 9110).

An ETag stands for what was declared: counts, rates and positions change under the same one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from django.http import HttpResponse

from brokerweb.core.errors import Invalid, NotFound, PreconditionFailed
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest.base import ApiView
from brokerweb.queues.settings import ORDER
from brokerweb.routing.settings import SETTINGS as OF_TOPICS
from brokerweb.storage.run import after
from brokerweb.storage.transaction import Transaction
from brokerweb.streams.group_settings import OF_SHARED
from brokerweb.streams.group_settings import SETTINGS as OF_GROUPS
from brokerweb.streams.settings import SETTINGS as OF_STREAMS

# By kind, what of its object is declared; a thing of the same name that was made anew is another.
DECLARED: Mapping[str, tuple[str, ...]] = {
    "queue": ("name", "created_at", *ORDER),
    "stream": ("name", "created_at", *OF_STREAMS),
    "group": ("stream", "name", "created_at", *OF_GROUPS, *OF_SHARED),
    "topic": ("name", "created_at", "bindings", *OF_TOPICS),
}
TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
TAGS = rf"^(?:\*|{TAG}(?:[ \t]*,[ \t]*{TAG})*)$"  # of If-Match and If-None-Match
Show = Callable[[Transaction], Mapping[str, Any]]  # the object as answers have it; raises NotFound


def etag(kind: str, shown: Mapping[str, Any]) -> str:
    """The ETag of an object that is shown."""
    declared = {name: shown[name] for name in DECLARED[kind] if name in shown}
    text = msgspec.json.encode(declared, order="deterministic")
    return f'"{hashlib.blake2b(text, digest_size=12).hexdigest()}"'


def tagged(kind: str, shown: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """An answer with an object and its ETag."""
    response = answer(shown, status)
    response["ETag"] = etag(kind, shown)
    return response


class Condition(NamedTuple):
    """The tags of which a thing must have one, and those of which it must have none; ``*`` is any. None: nothing is asked."""

    match: frozenset[str] | None
    none_match: frozenset[str] | None

    def check(self, now: str | None) -> None:
        """Raises PreconditionFailed; ``now`` is the ETag of what is there, None where nothing is."""
        if self.match is not None and not _among(now, self.match):
            raise PreconditionFailed("It was changed since you read it: If-Match names another ETag than it has now.")
        if self.none_match is not None and _among(now, self.none_match):
            raise PreconditionFailed("It is there already: If-None-Match names the ETag that it has.")


def _among(now: str | None, tags: frozenset[str]) -> bool:
    return now is not None and (now in tags or "*" in tags)


def guarded(view: ApiView, kind: str, show: Show, verb: Callable[..., Any], *, creates: bool = False) -> Callable[..., Any]:
    """The verb, which acts only if the request's condition holds in the same commit. Raises Invalid for what is no condition.

    ``creates``: the verb can make what is not there; else that is NotFound before it is a condition.
    """
    condition = Condition(_tags(view, "If-Match"), _tags(view, "If-None-Match"))
    if condition == (None, None):
        return verb

    def check(tx: Transaction) -> None:
        try:
            now = etag(kind, show(tx))
        except NotFound:
            if not creates:
                raise
            now = None
        condition.check(now)

    return after(check, verb, kind)


def _tags(view: ApiView, header: str) -> frozenset[str] | None:
    """Tags as they are compared: one that a proxy has called weak, for it has packed the answer, is the same."""
    given = view.request.headers.get(header)
    if given is None:
        return None
    if not re.fullmatch(TAGS, given):
        raise Invalid.at(f"/{header}", 'is "*" or ETags in their quotes, with commas between')
    found: Iterable[str] = re.findall(TAG, given)
    return frozenset(tag.removeprefix("W/") for tag in found) or frozenset("*")
