"""How the console writes numbers, times, states and icons. Everything goes through format_html: text stays text."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import django
from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerweb.console import instants, zones
from brokerweb.console.bodies import visible as show_controls
from brokerweb.console.destinations import url_of
from brokerweb.console.icons import icon as draw
from brokerweb.console.life import Phase
from brokerweb.console.notes import offered
from brokerweb.console.verdicts import Shown
from brokerweb.core import clock
from brokerweb.identity.principal import Principal
from brokerweb.jobs.models import Job
from brokerweb.queues.fingerprints import telling_line
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.streams.models import MAX_OFFSET

register = template.Library()
if django.VERSION < (6, 0):  # since then Django has these tags built in, and refuses to load them
    from template_partials.templatetags import partials

    register.tags.update(partials.register.tags)

STATES = ("ready", "scheduled", "blocked", "leased", "dead")
STATE_WORDS = {"leased": "in flight"}
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))


@register.simple_tag
def icon(name: str) -> SafeString:
    return draw(name)


@register.simple_tag
def zone() -> str:
    """The zone that instants are printed in, as a heading has it."""
    return zones.word()


@register.filter
def number(value: float | None) -> str:
    """``12,408``; a dash for what is not known, which is not zero."""
    return "–" if value is None else f"{value:,.0f}"


@register.filter
def dimmed(value: float | None) -> SafeString | str:
    """A number whose zero steps back."""
    return number(value) if value else format_html('<span class="zero">{}</span>', number(value))


@register.filter
def rate(value: float | None) -> SafeString | str:
    """Per second: one decimal below ten, and what there is below a tenth."""
    if not value:
        return format_html('<span class="zero">{}</span>', "–" if value is None else "0")
    if value < 0.1:
        return f"{value:.1g}"
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


@register.filter
def span(seconds: float | None) -> str:
    """A duration in its two largest units: ``3 d 4 h``, ``12 min``, ``8 s``, ``250 ms``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return (
            f"{seconds * 1000:.0f} ms" if 0 < seconds < 1 else f"{round(seconds, 1):g} s" if seconds < 10 else f"{seconds:.0f} s"
        )
    whole = int(seconds)
    parts: list[str] = []
    for size, unit in _STEPS:
        if whole >= size and len(parts) < 2:
            parts.append(f"{whole // size} {unit}")
        elif parts:
            break
        whole %= size
    return " ".join(parts)


def seconds_since(instant: datetime) -> float:
    """How long ago, by the wall; less than nothing for what is to come."""
    return (clock.to_wall(clock.now()) - clock.from_datetime(instant)) / clock.SECOND


def age(instant: datetime | None) -> str:
    """How long ago, or how long until."""
    if instant is None:
        return "–"
    seconds = seconds_since(instant)
    return f"in {span(round(-seconds))}" if seconds < -1 else span(max(0, round(seconds)))


@register.filter("age")
def ageing(instant: datetime | None) -> SafeString | str:
    """``age``, which the browser goes on counting."""
    if instant is None:
        return "–"
    return format_html('<time data-age datetime="{}">{}</time>', clock.rfc3339(clock.from_datetime(instant)), age(instant))


@register.filter
def elapsed(seconds: float | None) -> SafeString | str:
    """How long something has lasted that still does, which the browser goes on counting. It began at a whole second, so that it
    is the same when it is asked for again.
    """
    if seconds is None:
        return "–"
    since = round((clock.to_wall(clock.now()) / clock.SECOND) - seconds) * clock.SECOND
    return format_html('<time data-age datetime="{}">{}</time>', clock.rfc3339(since), span(max(0, round(seconds))))


@register.filter
def expiry(instant: datetime | None) -> str:
    """How long until, or for what has expired how long ago."""
    if instant is None:
        return "never"
    return age(instant) if instant > clock.to_datetime(clock.wall()) else f"expired {age(instant)} ago"


@register.filter
def when(instant: datetime | None) -> SafeString | str:
    """An instant to the millisecond in the person's zone, with its distance as a tooltip."""
    if instant is None:
        return "–"
    here = zones.local(instant)
    exact, shown = clock.rfc3339(clock.from_datetime(instant)), f"{here:%Y-%m-%d %H:%M:%S}.{here.microsecond // 1000:03d}"
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, age(instant), shown)


@register.filter
def typed(instant: datetime) -> str:
    """An instant as a field for one has it."""
    return instants.typed(clock.from_datetime(instant))


register.filter("field_type", instants.field_type)


@register.filter
def lasting(instant: datetime | None) -> SafeString | str:
    """How long since, or until, an instant, with the instant itself as a tooltip."""
    if instant is None:
        return "–"
    exact, said = clock.rfc3339(clock.from_datetime(instant)), f"{zones.local(instant):%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<time data-age datetime="{}" title="{}">{}</time>', exact, said, age(instant))


@register.filter
def moment(instant: datetime | None) -> SafeString | str:
    """An instant where no heading says in which zone."""
    return "–" if instant is None else format_html("{} {}", when(instant), f"{zones.local(instant):%Z}")


@register.filter
def instant(text: str | None) -> datetime | None:
    """The instant that an answer's text names."""
    return None if text is None else clock.to_datetime(clock.parse_rfc3339(text))


@register.filter
def offset(record: Any) -> int:
    """A record's offset, which is part of its id."""
    return int(record.pk) & MAX_OFFSET


@register.filter
def size(count: int | None) -> str:
    """Bytes for people: ``812 B``, ``1.4 KiB``, ``5 MiB``."""
    if count is None:
        return "–"
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{_short(value)} {unit}" if unit != "B" else f"{count} B"
        value /= 1024
    return f"{_short(value)} GiB"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"  # from there on "g" writes an exponent


@register.filter
def state(name: str) -> SafeString:
    """A state as shape and word, colour being only the third sign."""
    known = name if name in STATES or name == "paused" else ""
    return format_html('<span class="badge {}">{}</span>', known, STATE_WORDS.get(name, name))


@register.filter
def standing(verdict: Shown | None) -> SafeString | str:
    """How a queue or group stands in a word or two; green is what is well, and nothing else is."""
    if not verdict:
        return ""
    kind = {"bad": "dead", "warn": "blocked", "well": "ok"}.get(verdict.tone, "plain")
    return format_html('<span class="badge {}">{}</span>', "paused" if verdict.code == "paused" else kind, verdict.word)


@register.filter
def state_word(name: str) -> str:
    return STATE_WORDS.get(name, name)


JOB_BADGES = {"waiting": "scheduled", "running": "leased", "trying": "leased", "done": "ok", "failed": "dead"}


@register.filter
def job_state(job: Job) -> SafeString:
    """The state of a job as shape and word; one that is done but for some of it does not look well."""
    if job.state == "done" and job.failed:
        return format_html('<span class="badge dead">{}</span>', "done, some failed" if job.done else "done, all failed")
    return format_html('<span class="badge {}">{}</span>', JOB_BADGES.get(job.state, "plain"), job.state)


@register.filter
def destination_url(to: str, principal: Principal) -> str:
    """The page of a destination; empty for what the person would not see there."""
    return url_of(to, principal)


@register.filter
def as_json(value: Any) -> str:
    """A value of an answer, as the text that a form sends back."""
    return json.dumps(value)


@register.filter
def percent(part: float) -> str:
    return f"{100 * part:.0f} %"


@register.filter
def share(part: float | None) -> SafeString | str:
    """A share from 0 to 1 as a thin bar."""
    if part is None:
        return ""
    said = percent(part)
    return format_html(
        '<svg class="mix" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="fill-leased" x="0" y="0" width="{}" height="4"/></svg>',
        said,
        f"{100 * part:.2f}",
    )


PHASE_WORDS = {
    "leased": "in flight",
    "backoff": "in backoff",
    "unseen": "waiting, then in flight",
}


@register.filter
def phase_word(kind: str) -> str:
    return PHASE_WORDS.get(kind, kind)


@register.filter
def lane(phase: Phase) -> SafeString:
    """Where a phase of a message's life lies within the whole of it. What it says stands beside it as text."""
    return format_html(
        '<svg class="lane" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="fill-{}" x="{}" y="0" width="{}" height="8"/></svg>',
        phase.kind,
        f"{phase.x:.2f}",
        f"{phase.width:.2f}",
    )


@register.filter
def short(value: int) -> str:
    """A count for a narrow place: ``999``, ``12k``, ``3M``."""
    for size_, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size_:
            return f"{value // size_}{unit}"
    return str(value)


@register.filter
def coded(tags: str) -> list[str]:
    """The code and the hint of an error's note, as ``acting.telling`` writes them."""
    return [*tags.split("|", 1), ""][:2]


@register.filter
def undo(tags: str | None) -> tuple[str, str] | None:
    """Where the button of a note posts to, and what; None for a note without."""
    return offered(tags)


@register.filter
def state_of(message: Message) -> str:
    """The name of a message's state."""
    return State(message.state).name.lower()


@register.filter
def excerpt(message: Any) -> str:
    """The beginning of a message's or record's body on one line."""
    beginning = getattr(message, "beginning", None)
    if getattr(message, "damaged", False) or (beginning is None and not message.intact):
        return "damaged"
    part = bytes(message.body[:160] if beginning is None else beginning)
    try:
        text = part.decode()
    except UnicodeDecodeError as error:
        if len(part) - error.start > 3:
            return f"binary, {size(len(message.body) if beginning is None else message.size)}"
        text = part[: error.start].decode()
    return show_controls(" ".join(text.split()))[:120]


@register.filter
def telling(error: str | None) -> str:
    """The line of an error that says what went wrong."""
    return telling_line(error)


@register.filter
def visible(text: object) -> str:
    """Text of unknown origin: control characters and those that reorder text are shown, not obeyed."""
    return show_controls(str(text))


@register.filter
def due(message: Message) -> SafeString | str:
    """What a message waits for, and until when."""
    if message.state == State.SCHEDULED:
        return ageing(message.due)
    return format_html("{} {}", "lease ends" if message.state == State.LEASED else "since", ageing(message.due_at))


STATE_HINTS = {
    "ready": "may be handed out now",
    "scheduled": "wait for a time or backoff",
    "blocked": "behind another of their key",
    "leased": "held by a consumer",
    "dead": "failed for good",
}


@register.filter
def state_hint(name: str) -> str:
    return STATE_HINTS.get(name, "")
