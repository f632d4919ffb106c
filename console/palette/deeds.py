"""What can be done from the palette, and where one can go, by the words that say it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlencode

from brokerweb.console.choosing import named
from brokerweb.console.entries import administration
from brokerweb.console.palette.hits import Hit, to
from brokerweb.console.rights import may_create
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue

EACH = 5  # names that one verb is offered for
_PLACES = (
    ("overview", "Now", "overview"),
    ("queues", "Queues", "queues"),
    ("streams", "Streams", "streams"),
    ("topics", "Topics", "topics"),
    ("messages", "Messages", "search"),
    ("dead", "Dead letters by cause", "causes"),
    ("dead", "Dead letters one by one", "dead"),
    ("stuck", "Stuck", "stuck"),
    ("requeue", "Retrying", "retrying"),
    ("jobs", "Jobs", "jobs"),
)
_JOINING = ("to", "of", "from", "for", "in")


class _Verb(NamedTuple):
    """Something that is done with a queue, stream or topic on the page of that name."""

    says: str
    icon: str
    page: str
    right: str
    kind: str = "queue"
    paused: bool | None = None  # only of a queue that is, or is not
    posts: bool = False


_VERBS = (
    _Verb("Publish to", "send", "publish", "publish"),
    _Verb("Pause", "pause", "pause", "manage", paused=False),
    _Verb("Resume", "play", "resume", "manage", paused=True, posts=True),
    _Verb("Messages of", "messages", "messages", "browse"),
    _Verb("In flight from", "clock", "in-flight", "browse"),
    _Verb("Consumers of", "connections", "consumers", "browse"),
    _Verb("Failures of", "dead", "queue-failures", "browse"),
    _Verb("Settings of", "edit", "settings", "browse"),
    _Verb("Purge", "trash", "purge", "manage"),
    _Verb("Append to", "send", "append", "publish", "stream"),
    _Verb("Records of", "streams", "records", "browse", "stream"),
    _Verb("Replay", "requeue", "replay", "manage", "stream"),
    _Verb("Settings of", "edit", "stream-settings", "browse", "stream"),
    _Verb("Publish to", "send", "topic-publish", "publish", "topic"),
    _Verb("Bindings of", "topics", "bindings", "browse", "topic"),
)


def asked(principal: Principal, text: str) -> list[Hit]:
    """What is done where the text begins with a verb, or with what the text is called."""
    hits = [hit for hit in general(principal) if _says(hit.text, text)]
    for verb in _VERBS:
        if (name := _object(verb.says, text)) is not None:
            hits += islice(_with(principal, verb, name), EACH)
    return hits or _of_the_first(principal, text)


def _of_the_first(principal: Principal, text: str) -> list[Hit]:
    """What is done most with the queue that the text means."""
    name = next((name for name in named("queue", text) if principal.may("browse", "queue", name)), None)
    if name is None:
        return []
    return [hit for verb in _VERBS[:3] for hit in _of(principal, verb, [name])]


def _object(says: str, text: str) -> str | None:
    """What the text says behind the verb; None where it begins with another word."""
    said, _, rest = text.lower().partition(" ")
    if len(said) < 2 or not says.lower().startswith(said):
        return None
    joining, _, behind = rest.partition(" ")
    return behind if joining in _JOINING else rest


def _with(principal: Principal, verb: _Verb, part: str) -> Iterator[Hit]:
    names = islice(named(verb.kind, part), 4 * EACH if verb.paused is None else 500)
    yield from _of(principal, verb, list(names))


def _of(principal: Principal, verb: _Verb, names: list[str]) -> Iterator[Hit]:
    may = [name for name in names if principal.may("browse", verb.kind, name) and principal.may(verb.right, verb.kind, name)]
    if verb.paused is not None:
        paused = set(Queue.declared.filter(name__in=may).exclude(paused_at=None).values_list("name", flat=True))
        may = [name for name in may if (name in paused) == verb.paused]
    post = urlencode([("resume", "1")]) if verb.posts else ""
    return (Hit(verb.icon, f"{verb.says} {name}", to(verb.page, name), post=post) for name in may)


def general(principal: Principal) -> list[Hit]:
    """What is done with nothing in particular."""
    kinds = [kind for kind in ("queue", "stream", "topic") if may_create(principal, kind)]
    hits = [Hit("plus", f"New {kind}", to(f"new-{kind}")) for kind in kinds]
    if principal.delegates and not principal.read_only:
        hits.append(Hit("plus", "New token", to("new-token")))
    themes = ("light", "dark", "system")
    return [
        *hits,
        *(Hit("theme", f"Switch theme to {theme}", to("theme"), post=urlencode([("theme", theme)])) for theme in themes),
    ]


def places(principal: Principal, text: str = "") -> list[Hit]:
    """Where one can go."""
    known = [Hit(icon, label, to(page)) for icon, label, page in _PLACES]
    if principal.admin:
        known.append(Hit("docs", "Audit", to("audit")))
    known += [Hit(place.icon, place.label, place.url) for place in administration(principal)]
    return [hit for hit in known if _says(hit.text, text)]


def _says(said: str, text: str) -> bool:
    """Whether every word of the text begins a word of what is said."""
    words = said.lower().split()
    return all(any(word.startswith(part) for word in words) for part in text.lower().split())
