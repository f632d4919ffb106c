"""Alerts, and the rules, channels and silences that they come of."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.alerts import alerts, channels, notices, rules, silences
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.alert_shapes import ChannelRequest, RuleRequest, SilenceRequest, rule_of
from brokerweb.faces.rest.base import ApiView

STATES = {"firing": True, "resolved": False}


def list_alerts(view: ApiView) -> HttpResponse:
    query = view.query()
    state = query.get("state")
    if state is not None and state not in STATES:
        raise Invalid.at("/state", f"one of {', '.join(STATES)}")
    firing = None if state is None else STATES[state]
    found = alerts.listed(firing=firing, visible=alerts.visible_to(view.principal), limit=paging.limit(query))
    return answer(paging.whole(alerts.as_json(alert) for alert in found))


def list_rules(view: ApiView) -> HttpResponse:
    view.query()
    return answer(paging.whole(rule.as_json() for rule in rules.listed()))


def read_rule(view: ApiView, rule: str) -> HttpResponse:
    view.query()
    return answer(rules.find(rule).as_json())


def declare_rule(view: ApiView, rule: str) -> HttpResponse:
    made = rules.declare(view.principal, rule_of(rule, view.body(RuleRequest)), address=view.address)
    return answer(rules.find(rule).as_json(), 201 if made else 200)


def delete_rule(view: ApiView, rule: str) -> HttpResponse:
    view.query()
    rules.delete(view.principal, rule, address=view.address)
    return no_content()


def list_channels(view: ApiView) -> HttpResponse:
    view.query()
    listed = paging.whole(channels.as_json(channel) for channel in channels.listed())
    return answer({**listed, "waiting": notices.waiting()})


def read_channel(view: ApiView, channel: str) -> HttpResponse:
    view.query()
    return answer(channels.as_json(channels.find(channel)))


def declare_channel(view: ApiView, channel: str) -> HttpResponse:
    asked = view.body(ChannelRequest)
    known = any(each.name == channel for each in channels.listed())
    made, secret = channels.declare(view.principal, channel, asked.kind, asked.to, secret=asked.secret, address=view.address)
    return answer(channels.as_json(made) | ({"secret": secret} if secret else {}), 200 if known else 201)


def delete_channel(view: ApiView, channel: str) -> HttpResponse:
    view.query()
    channels.delete(view.principal, channel, address=view.address)
    return no_content()


def test_channel(view: ApiView, channel: str) -> HttpResponse:
    view.query()
    error = notices.try_out(view.principal, channel, address=view.address)
    return answer({"sent": error is None, "error": error})


def list_silences(view: ApiView) -> HttpResponse:
    view.query()
    return answer(paging.whole(silences.as_json(silence) for silence in silences.listed()))


def begin_silence(view: ApiView) -> HttpResponse:
    asked = view.body(SilenceRequest)
    made = silences.begin(view.principal, asked.target, asked.seconds, rule=asked.rule, reason=asked.reason, address=view.address)
    return answer(silences.as_json(made), 201)


def end_silence(view: ApiView, id: str) -> HttpResponse:
    view.query()
    if not (id.isascii() and id.isdecimal() and len(id) < 19):
        raise NotFound("There is no silence of that number.")
    silences.end(view.principal, int(id), address=view.address)
    return no_content()
