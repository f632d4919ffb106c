"""Which messages of a queue, or of those that died in a shared group, a call is about: to be shown, and to be acted upon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from brokerweb.answers import plans
from brokerweb.answers.search import browsing, running
from brokerweb.answers.search.browsing import Browsing, Conditions
from brokerweb.core.errors import Invalid
from brokerweb.faces.rest.base import ApiView
from brokerweb.identity.audit import Entry, audited
from brokerweb.identity.masks import Veil
from brokerweb.jobs import bulk, bulk_request, operations, selecting
from brokerweb.jobs.bulk_request import BulkRequest
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, filters, settled
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.models import Queue
from brokerweb.storage.reading import read

# To be shown


class Page(NamedTuple):
    """Some messages, and what is told beside them."""

    items: list[Any]
    told: dict[str, Any]


def page(queue: Queue, given: Mapping[str, Any], veil: Veil, *, limit: int, after: str | None) -> Page:
    """The next messages that parameters of a URL select, of those that are there, or with ``state=settled`` that have ended.
    Raises Invalid, Forbidden, RateLimited.
    """
    rest, conditions = browsing.split(given, url=True)
    veil.require_key(rest.get("key"))
    kept = rest.get("state") == filters.SETTLED
    if kept:
        del rest["state"]
    chosen = filters.parse(rest)
    if conditions:
        looked = running.through(Browsing(queue, chosen, conditions, veil, kept=kept, after=after), limit)
        return Page(list(looked.items), {"next": looked.next, "scanned": looked.scanned, "exhausted": looked.exhausted})
    listed: Callable[..., Any] = settled.page if kept else browse.page
    found = listed(queue, chosen, after=after, limit=limit)
    return Page(found.items, {"next": found.next})


# To be acted upon


class Chosen(NamedTuple):
    """What an act is about: what the filter selects, and of that what fulfils the conditions."""

    queue: Queue
    label: str  # queue:NAME or stream:NAME/GROUP
    filter: MessageFilter
    conditions: Conditions
    veil: Veil


def parse(view: ApiView, queue: Queue, label: str, given: Mapping[str, Any], veil: Veil) -> Chosen:
    """The filter of a request's body. Raises Invalid, and Forbidden for a selection by what is hidden from the caller, who has to
    be one who may browse where they choose by what messages hold: how many it takes tells of that.
    """
    rest, conditions = browsing.split(given, "/filter")
    if conditions:
        kind, _, named = label.partition(":")
        view.principal.require("browse", kind, named.partition("/")[0])
    chosen = filters.parse(rest, "/filter")
    veil.require_key(chosen.key)
    if veil and any(condition.is_of(veil.hidden) for condition in conditions):
        veil.require_all(f"To choose messages of {label} by what they hold")
    if conditions and chosen.ids is not None:
        raise Invalid.at("/filter/ids", "stand alone")
    return Chosen(queue, label, chosen, conditions, veil)


def preview(view: ApiView, chosen: Chosen, verb: str) -> dict[str, Any]:
    """What ``purge`` or ``redrive`` would take. Raises Invalid, Forbidden, RateLimited."""
    known = _known(chosen, verb)
    if known is not None:
        return browse.preview(chosen.queue, known, verb, view.principal)
    return plans.as_json(plans.plan(view.principal, _request(chosen, verb)))


def act(
    view: ApiView, chosen: Chosen, verb: str, start: Callable[[MessageFilter], int | Job], entry: Entry, **how: Any
) -> int | Job:
    """``start`` the act on what is known; else it is a job that looks by itself, with ``to`` and ``rate`` as ``how`` has them."""
    known = None if how.get("rate") is not None and chosen.conditions else _known(chosen, verb)
    if known is not None:
        return start(known)
    asked = _request(chosen, verb, **how)
    where = read(selecting.resolve, view.principal, asked)
    job: Job = audited(entry, operations.create, asked, where, by=view.principal.name)
    return job


def _known(chosen: Chosen, verb: str) -> MessageFilter | None:
    """A filter that selects it all by itself; None where that is too much to name."""
    if not chosen.conditions:
        return chosen.filter
    taken = _taken(chosen, verb)
    ids = running.few(Browsing(chosen.queue, taken, chosen.conditions, chosen.veil), bulk.LIMIT)
    return None if ids is None else replace(taken, ids=tuple(ids))


def _taken(chosen: Chosen, verb: str) -> MessageFilter:
    take = filters.for_purge if verb == "purge" else filters.for_redrive
    return filters.ascending(take(chosen.filter))


def _request(chosen: Chosen, verb: str, **how: Any) -> BulkRequest:
    taken = _taken(chosen, verb)
    if len(taken.fingerprints) > 1:
        raise Invalid.at("/filter/fingerprint", "is one beside conditions on what more than 1,000 messages hold")
    select = {"q": browsing.query_of(taken, chosen.conditions), "in": [chosen.label]}
    try:
        return bulk_request.parse({"action": verb, "select": select, **how})
    except Invalid as error:
        raise Invalid.at("/filter", f"is more than can be looked for: {error.detail}") from None
