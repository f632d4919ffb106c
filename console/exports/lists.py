"""Which lists there are as files: their columns, and their rows a part at a time, of what the person may look at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from brokerweb.console.audit import reading as newest_entries
from brokerweb.console.audit.listing import LISTING as AUDIT
from brokerweb.console.causes import reading as causes
from brokerweb.console.causes.listing import LISTING as CAUSES
from brokerweb.console.connections.listing import LISTING as CONNECTIONS
from brokerweb.console.connections.listing import MOST as MOST_CONNECTIONS
from brokerweb.console.dead_letters import reading as dead_letters
from brokerweb.console.filters import DeadLetters
from brokerweb.console.groups.listing import LISTING as GROUPS
from brokerweb.console.jobs import reading as jobs
from brokerweb.console.jobs.listing import LISTING as JOBS
from brokerweb.console.listing import Asked, Column, Listing, everything
from brokerweb.console.nodes.listing import LISTING as NODES
from brokerweb.console.order import Value
from brokerweb.console.page import SignedIn
from brokerweb.console.queues.listing import LISTING as QUEUES
from brokerweb.console.retrying import reading as retrying
from brokerweb.console.retrying.listing import LISTING as RETRYING
from brokerweb.console.streams.listing import LISTING as STREAMS
from brokerweb.console.stuck import reading as stuck
from brokerweb.console.stuck.listing import LISTING as STUCK
from brokerweb.console.tokens import reading as newest_tokens
from brokerweb.console.tokens.listing import LISTING as TOKENS
from brokerweb.console.topics.listing import LISTING as TOPICS
from brokerweb.console.users.listing import LISTING as USERS
from brokerweb.console.users.listing import MOST as MOST_PEOPLE
from brokerweb.core.names import check_name
from brokerweb.delivery.connections import busiest
from brokerweb.identity import people, tokens, trail
from brokerweb.identity.principal import Principal
from brokerweb.jobs.models import Job
from brokerweb.queues import browse
from brokerweb.queues.models import Message
from brokerweb.queues.represent import message_object, veil_of
from brokerweb.storage.reading import lenient
from brokerweb.streams import control as streams

SOME = 200  # rows of a turn
T = TypeVar("T")


class Rows(NamedTuple):
    """A list: what its file is called, its columns, and its rows a part at a time; ``cut``: they are not all there are."""

    name: str
    columns: Sequence[Column[Any]]
    parts: Iterator[Sequence[Any]]
    cut: bool = False


def _columns(**values: Callable[[Any], Value]) -> list[Column[Any]]:
    return [Column(key, key, value) for key, value in values.items()]


def _as_json(value: Any) -> str | None:
    return json.dumps(value, ensure_ascii=False, default=str) if value else None


# What a file has besides the columns of the page.
MORE: Mapping[str, list[Column[Any]]] = {
    "audit": _columns(
        id=lambda entry: str(entry.pk),
        owner=lambda entry: entry.owner or None,
        address=lambda entry: entry.address or None,
        job=lambda entry: trail.as_json(entry)["job"],
        detail=lambda entry: _as_json(trail.as_json(entry)["detail"]),
    ),
    "jobs": _columns(
        id=lambda job: str(job.pk), to=lambda job: job.to, total=lambda job: job.total, finished=lambda job: job.finished_at
    ),
    "connections": _columns(id=lambda row: row["id"], token=lambda row: row["name"], node=lambda row: row["node"]),
    "causes": _columns(
        fingerprint=lambda cause: cause.fingerprint, reason=lambda cause: cause.reason, first=lambda cause: cause.first_at
    ),
    "tokens": _columns(id=lambda token: str(token.pk)),
}


# Of lists that are made of some alone: whether there are more.
CUT: Mapping[str, Callable[[Principal, Asked], bool]] = {
    "jobs": lambda _, asked: not asked.by_id and Job.objects.count() > jobs.NEWEST,
    "tokens": lambda by, asked: not asked.by_id and tokens.listing(by).count() > newest_tokens.NEWEST,
    "causes": lambda by, asked: len(causes.listed(by, causes.CausesOf.of(asked.given))) >= causes.MOST,
    "connections": lambda by, asked: len(busiest(MOST_CONNECTIONS)) >= MOST_CONNECTIONS,
    "audit": lambda by, asked: not asked.by_id and len(newest_entries.newest(by, asked)) >= newest_entries.NEWEST,
    "stuck": lambda by, _: (found := stuck.listed(by)).total > len(found.items),
    "retrying": lambda by, _: (found := retrying.listed(by)).more or found.unseen,
    "users": lambda by, _: people.listing().count() > MOST_PEOPLE,
}


def _parts(found: Iterable[T]) -> Iterator[list[T]]:
    part: list[T] = []
    for each in found:
        part.append(each)
        if len(part) == SOME:
            yield part
            part = []
    if part:
        yield part


def _written(listing: Listing[Any]) -> list[Column[Any]]:
    """Its columns but for those that are pictures."""
    return [column for column in listing.columns if not {"sparks", "strips"} & set(column.style.split())]


def _all(listing: Listing[Any], check: Callable[[SignedIn], object] = lambda _: None) -> Callable[[SignedIn], Rows]:
    """As its page has it, sorted and filtered as its address says; of columns all, whichever the person sees."""

    def rows(request: SignedIn) -> Rows:
        check(request)
        asked = Asked.from_query(listing, request.GET.dict())
        of = CUT.get(listing.name)
        cut = of is not None and of(request.principal, asked)
        columns = [*_written(listing), *MORE.get(listing.name, ())]
        return Rows(listing.name, columns, _parts(everything(request.principal, asked)), cut)

    return rows


def _administers(request: SignedIn) -> None:
    request.principal.require_admin()


def _groups(request: SignedIn) -> Rows:
    stream = check_name(request.GET.get("of"), "/of")
    request.principal.require("browse", "stream", stream)
    streams.get(stream)
    asked = Asked.from_query(GROUPS, request.GET.dict(), stream)
    return Rows(f"groups-{stream}", _written(GROUPS), _parts(everything(request.principal, asked)))


MESSAGE = (
    "id", "state", "published_at", "key", "headers", "content_type", "body", "body_base64", "correlation_id", "publisher",
    "priority", "attempts", "failures", "redrives", "reason", "last_error", "fingerprint",
)  # fmt: skip


def _part_of(name: str, message: Mapping[str, Any]) -> Any:
    """What is JSON already stays the very text that it is."""
    return message.get(name)


def _dead_of_group(request: SignedIn) -> Rows:
    """What a search does not look at: the copies that a shared group keeps of records that died there."""
    stream, group = check_name(request.GET.get("of"), "/of"), check_name(request.GET.get("group"), "/group")
    queue = dead_letters.group_frame(request, stream, group)["queue"]
    veil = veil_of(request.principal, queue)
    reason = DeadLetters.of(request.GET.dict()).reason

    def parts() -> Iterator[Sequence[Any]]:
        found, last = dead_letters.dead(queue, reason).order_by("-id"), None
        while ids := list((found if last is None else found.filter(id__lt=last)).values_list("id", flat=True)[:SOME]):
            whole = browse.whole_in_one_answer(ids)
            last = whole[-1]
            with lenient():
                loaded = Message.objects.in_bulk(whole)
            yield [message_object(loaded[each], veil) for each in whole if each in loaded]

    columns = [Column[Any]("group", "Group", lambda _: f"stream:{stream}/{group}")]
    columns += [Column(name, name, partial(_part_of, name)) for name in MESSAGE]
    return Rows(f"dead-{stream}-{group}", columns, parts())


def _told(listing: Listing[Any], columns: Sequence[Column[Any]], check: Callable[[SignedIn], object] = lambda _: None) -> Any:
    """As its page has it, sorted and filtered, with columns that are the file's own."""

    def rows(request: SignedIn) -> Rows:
        check(request)
        asked = Asked.from_query(listing, request.GET.dict())
        return Rows(
            listing.name, columns, _parts(everything(request.principal, asked)), CUT[listing.name](request.principal, asked)
        )

    return rows


_STUCK = _columns(
    kind=lambda item: item.kind,
    name=lambda item: item.name,
    group=lambda item: item.group or None,
    code=lambda item: item.code,
    why=lambda item: item.text,
    held=lambda item: item.held,
    since=lambda item: item.since_at,
    oldest=lambda item: item.oldest_at,
)
_RETRYING = _columns(
    place=lambda each: f"stream:{each.owner.name}/{each.owner.group}" if each.owner.group else f"queue:{each.owner.name}",
    id=lambda each: str(each.id),
    due=lambda each: each.due_at,
    failures=lambda each: each.failures,
    allowed=lambda each: each.owner.allowed,
    last_error=lambda each: each.last_error,
)
_USERS = _columns(
    name=lambda person: person.name,
    superuser=lambda person: person.superuser,
    active=lambda person: person.active,
    grants=lambda person: "; ".join(f"{permit.target}: {role}" for role, permit in person.permits),
    last_seen=lambda person: person.last_seen_at,
    invited_until=lambda person: person.invited_until,
    issuer=lambda person: person.issuer,
)


LISTS: Mapping[str, Callable[[SignedIn], Rows]] = {
    "queues": _all(QUEUES),
    "streams": _all(STREAMS),
    "topics": _all(TOPICS),
    "groups": _groups,
    "jobs": _all(JOBS),
    "causes": _all(CAUSES),
    "connections": _all(CONNECTIONS, _administers),
    "nodes": _all(NODES, _administers),
    "audit": _all(AUDIT, _administers),
    "tokens": _all(TOKENS, lambda request: tokens.listing(request.principal)),
    "dead-of-group": _dead_of_group,
    "stuck": _told(STUCK, _STUCK),
    "retrying": _told(RETRYING, _RETRYING),
    "users": _told(USERS, _USERS, _administers),
}
