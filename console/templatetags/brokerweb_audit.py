"""Who changed something last, and when, with the way to all that was done to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse

from brokerweb.identity import trail

register = template.Library()


@register.inclusion_tag("brokerweb_console/_changed_by.html", takes_context=True)
def changed_by(context: dict[str, Any], kind: str, name: object) -> dict[str, Any]:
    """Of what the trail has as ``kind:name``; nothing for who may not read the trail."""
    principal = context.get("principal")
    if principal is None or not principal.admin:
        return {"shown": False}
    target = f"{kind}:{name}"
    return {"shown": True, "entry": trail.last_change(target), "url": _trail_of(target)}


@register.inclusion_tag("brokerweb_console/_deleted_by.html", takes_context=True)
def deleted_by(context: dict[str, Any], target: str) -> dict[str, Any]:
    """Who deleted what is not there; nothing where nobody did, and for who may not read the trail."""
    principal = context.get("principal")
    entry = trail.last_change(target) if target and principal is not None and principal.admin else None
    deleted = entry is not None and entry.action.endswith(".delete")
    return {"entry": entry if deleted else None, "url": _trail_of(target)}


def _trail_of(target: str) -> str:
    return f"{reverse('brokerweb_console:audit')}?{urlencode({'target': target})}"
