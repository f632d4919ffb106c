"""Links beside what is shown: a funnel on a value, which searches for messages with the same; and all of a list as a file."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerweb import conf
from brokerweb.console.bodies import visible
from brokerweb.console.body_values import Value, values_of
from brokerweb.console.conditions import Asked, condition
from brokerweb.console.filters import DeadLetters, RecordsOf
from brokerweb.console.icons import icon
from brokerweb.console.listing import Asked as Listed

register = template.Library()
# Lists that are to be had as files; ``exports.lists`` has their rows.
EXPORTED = frozenset(
    {
        *("queues", "streams", "topics", "groups", "jobs", "causes", "connections", "nodes", "audit", "tokens"),
        *("users", "stuck", "retrying"),
    }
)
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


@register.inclusion_tag("brokerweb_console/_export.html")
def export_list(asked: Listed) -> dict[str, str]:
    """``{% export_list list.asked %}``: all of a list, as its page is filtered and sorted; messages are those of a search."""
    if asked.listing.name == "messages":
        state, key = asked.get("state"), asked.get("key")
        terms = [f"state:{state}" if state else "-state:settled", condition("key", key) if key else ""]
        return export_found(Asked(" ".join(filter(None, terms)), (f"queue:{asked.of}",)))
    return _export(asked.listing.name, asked.query(of=asked.of)) if asked.listing.name in EXPORTED else {"url": ""}


@register.inclusion_tag("brokerweb_console/_export.html")
def export_dead(filter: DeadLetters, stream: str = "", group: str = "") -> dict[str, str]:
    """Dead letters, as their page is filtered: of all queues, of one, or of a shared consumer group."""
    if group:
        return _export("dead-of-group", urlencode({"of": stream, "group": group, "reason": filter.reason}))
    terms = ["state:dead", f"reason:{filter.reason}" if filter.reason else ""]
    return export_found(Asked(" ".join(term for term in terms if term), (f"queue:{filter.queue or '*'}",)))


@register.inclusion_tag("brokerweb_console/_export.html")
def export_records(filter: RecordsOf, stream: str) -> dict[str, str]:
    """Records of a partition, from where their page begins upwards."""
    terms = [f"partition:{filter.partition}"]
    if filter.begin == "offset" and filter.offset is not None:
        terms.append(f"offset>={filter.offset}")
    return export_found(Asked(" ".join(terms), (f"stream:{stream}",)))


@register.inclusion_tag("brokerweb_console/_export.html")
def export_search(asked: Asked) -> dict[str, str]:
    """All that a search finds."""
    return export_found(asked)


def export_found(asked: Asked) -> dict[str, str]:
    return _file(f"{asked.export}&")


def _export(what: str, query: str) -> dict[str, str]:
    return _file(f"{reverse('brokerweb_console:export', args=[what])}?{query}{'&' if query else ''}")


def _file(url: str) -> dict[str, str]:
    """Nothing where nothing is to be had as a file."""
    return {"url": url if conf.get().export else ""}
