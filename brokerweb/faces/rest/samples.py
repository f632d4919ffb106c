"""How things stood, and what happened meanwhile: samples, and marks on them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb.answers import marking
from brokerweb.cluster import marks
from brokerweb.cluster.models import Mark
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.json import check_instant
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.sample_shapes import MarkRequest
from brokerweb.identity.grants import BROWSE
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.routing import topics
from brokerweb.samples import answers
from brokerweb.samples.reading import RANGES, Over
from brokerweb.samples.series import TICK, Kind
from brokerweb.storage.reading import read
from brokerweb.streams import control as streams
from brokerweb.streams.groups import find_group


def sample_queue(view: ApiView, q: str) -> HttpResponse:
    queue = browse.find(q)
    return _of(view, Kind.QUEUE, queue.pk, clock.from_datetime(queue.created_at))


def sample_stream(view: ApiView, s: str) -> HttpResponse:
    stream = streams.get(s)
    return _of(view, Kind.STREAM, stream.pk, clock.from_datetime(stream.created_at))


def sample_group(view: ApiView, s: str, g: str) -> HttpResponse:
    group = read(find_group, s, g)
    return _of(view, Kind.GROUP, group.id, group.created_at)


def sample_topic(view: ApiView, t: str) -> HttpResponse:
    topic = topics.find(t)
    return _of(view, Kind.TOPIC, topic.pk, clock.from_datetime(topic.created_at))


def sample_all(view: ApiView) -> HttpResponse:
    return answer(read(answers.everything, view.principal, _range(view)))


def _of(view: ApiView, kind: Kind, number: int, since: int) -> HttpResponse:
    return answer(read(answers.thing, kind, number, _range(view), since))


def _range(view: ApiView) -> Over:
    query = view.query()
    between = answers.parse_between(query.get("from"), query.get("to"))
    if between is not None and "range" in query:
        raise Invalid.at("/range", "either range, or from and to")
    return answers.parse_range(query.get("range")) if between is None else between


def list_marks(view: ApiView) -> HttpResponse:
    query = view.query()
    until = clock.wall() + clock.seconds(marking.AHEAD)
    since = until - clock.seconds(RANGES[answers.parse_range(query.get("range", "7d"))] * TICK + marking.AHEAD)
    found = marks.listed(since, until, visible=_visible(view.principal), limit=paging.limit(query))
    return answer(paging.whole(_shown(mark) for mark in found))


def note_mark(view: ApiView) -> HttpResponse:
    asked = view.body(MarkRequest)
    at = marking.check(view.principal, asked.text, None if asked.at is None else check_instant(asked.at, "/at"), asked.target)
    detail = {"text": asked.text}
    verb = (marks.note, marks.NOTE, asked.text, asked.target)
    view.audited("mark.note", asked.target or "broker", *verb, detail=detail, at=at, by=view.principal.name)
    noted = {"at": clock.rfc3339(at), "text": asked.text, "kind": marks.NOTE, "target": asked.target, "by": view.principal.name}
    return answer(noted, 201)


def _visible(principal: Principal) -> Any:
    def visible(target: str) -> bool:
        kind, _, name = target.partition(":")
        return principal.may(BROWSE, kind, name)

    return visible


def _shown(mark: Mark) -> dict[str, Any]:
    at = clock.rfc3339(clock.from_datetime(mark.at))
    return {"at": at, "text": mark.text, "kind": mark.kind, "target": mark.target, "by": mark.actor}
