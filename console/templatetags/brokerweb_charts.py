"""How charts write the figures and instants beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerweb.console.meters import meter as drawn_meter
from brokerweb.console.ranges import LONG, Range, shown
from brokerweb.console.templatetags.brokerweb_console import number, rate, span
from brokerweb.console.zones import local

register = template.Library()


@register.filter
def hour(at: datetime, day: bool) -> str:
    """An instant below a picture, in the person's zone: the time, or where that covers days the day."""
    here = local(at)
    return f"{here:%a} {here.day}" if day else f"{here:%H:%M}"


@register.filter
def since_when(at: datetime) -> str:
    """An instant in a sentence beside a picture."""
    return shown(at)


@register.filter
def over(shown_range: Range, named: str) -> str:
    """The query of the same page over another range."""
    return shown_range.query(named)


@register.filter
def long_range(named: str) -> str:
    """A range as in "the last hour"."""
    return LONG[named]


@register.filter
def second(at: datetime) -> str:
    """The same where a picture covers minutes."""
    return f"{local(at):%H:%M:%S}"


@register.filter
def stamp(at: datetime) -> str:
    """An instant of a table, in the person's zone, without its year."""
    return f"{local(at):%m-%d %H:%M:%S}"


@register.filter
def figure(value: float | None, kind: str) -> SafeString | str:
    """A figure of a layer as people read it."""
    if kind == "rate":
        return format_html("{} /s", rate(value))
    return span(value) if kind == "time" else number(value)


@register.filter
def meter(consumer: Any) -> SafeString:
    """What a consumer holds of what it may hold."""
    return drawn_meter(consumer.unsettled, consumer.prefetch, consumer.ages)


@register.filter
def meter_of(sub: Mapping[str, Any]) -> SafeString | str:
    """The same of a subscription as connections show it, whose messages' ages are not known there."""
    if "unsettled" in sub:
        return drawn_meter(sub["unsettled"], sub["prefetch"])
    return drawn_meter(sub["prefetch"] - sub["credit"], sub["prefetch"], noun="record")


@register.filter
def window(sub: Mapping[str, Any]) -> str:
    """How many records were sent of those that its client has room for."""
    return f"{sub['prefetch'] - sub['credit']:,} of {sub['prefetch']:,}"


@register.filter
def plain(value: float | None) -> str:
    """A figure as it is."""
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
