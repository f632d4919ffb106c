"""Masks: what of messages is hidden from who may not unmask it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.identity import masks


def read_masks(view: ApiView) -> HttpResponse:
    view.query()
    return answer(_shown())


def put_masks(view: ApiView) -> HttpResponse:
    asked = view.body(shapes.MasksRequest)
    rules = masks.parse([{"pattern": mask.pattern, "fields": mask.fields} for mask in asked.masks])
    masks.put(view.entry("masks.put", "masks"), rules)
    return answer(_shown())


def _shown() -> dict[str, Any]:
    """Those that were put, and beside them those of the setting, which nobody can take away here."""
    return {"masks": [rule.as_json() for rule in masks.stored()], "setting": [rule.as_json() for rule in masks.of_setting()]}
