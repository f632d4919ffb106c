"""A funnel on a value: the link that searches for what has just this one."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerweb.console.bodies import visible
from brokerweb.console.body_values import Value, values_of
from brokerweb.console.conditions import Asked, condition
from brokerweb.console.icons import icon

register = template.Library()
SHOWN = 60  # characters of a condition in the link's name


@register.simple_tag(takes_context=True)
def funnel(context: Context, field: str, value: object, where: str = "") -> SafeString | str:
    """``{% funnel "key" message.key %}``: "only these", added to the search the page was opened from, or in ``where``.

    Fields are named as in ``conditions.condition``: ``header.tenant``, ``$.customer.country``. There is none for a value that is
    not there, or that no condition can say.
    """
    absent = value is None and not field.startswith("$")  # in a body it is JSON's null
    term = "" if absent else condition(field, value)
    if not term:
        return ""
    asked = Asked.of(context["request"])
    if where and not asked.q:
        asked = asked.within([where])
    said = visible(term if len(term) <= SHOWN else f"{term[:SHOWN]}…")
    return format_html(
        '<a class="funnel" href="{}" title="Only these: {}">{}<span class="hide">Only these: {}</span></a>',
        asked.only(term).url,
        said,
        icon("funnel"),
        said,
    )


@register.simple_tag(takes_context=True)
def header_funnel(context: Context, name: str, value: str, where: str = "") -> SafeString | str:
    """The funnel on a header's value."""
    return funnel(context, f"header.{name}", value, where)


@register.filter
def body_values(message: Any) -> list[Value]:
    """The single values of a message's or record's JSON body; none of a damaged one."""
    return values_of(bytes(message.body)) if message.intact else []


@register.filter
def own_values(message: Any) -> list[tuple[str, str, str]]:
    """What a message or record says besides its body and headers: what it is called, the field of a search, and the value."""
    fields = (("Key", "key", "key"), ("Correlation", "correlation", "correlation_id"), ("Published by", "publisher", "publisher"))
    found = [(name, field, getattr(message, attribute, None)) for name, field, attribute in fields]
    found += [
        ("Reason", "reason", getattr(message, "reason", None)),
        ("Cause", "fingerprint", getattr(message, "fingerprint", None)),
    ]
    return [(name, field, value) for name, field, value in found if value]


@register.simple_tag(takes_context=True)
def place_of(context: Context) -> str:
    """The queue or stream that a page of a message or record is of, as a search is limited to it."""
    stream = context.get("stream_name") or getattr(context.get("stream"), "name", "")
    return f"stream:{stream}" if stream else f"queue:{context['queue'].name}"
