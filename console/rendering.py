"""The console's templates, on an engine of their own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates
from django.utils.safestring import SafeString

from brokerweb.faces.http import templates

AROUND = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
)


@cache
def _engine() -> DjangoTemplates:
    libraries = {
        "brokerweb_console": "brokerweb.console.templatetags.brokerweb_console",
        "brokerweb_charts": "brokerweb.console.templatetags.brokerweb_charts",
        "brokerweb_flows": "brokerweb.console.templatetags.brokerweb_flows",
        "brokerweb_answers": "brokerweb.console.templatetags.brokerweb_answers",
        "brokerweb_search": "brokerweb.console.templatetags.brokerweb_search",
        "brokerweb_lists": "brokerweb.console.templatetags.brokerweb_lists",
        "django_htmx": "django_htmx.templatetags.django_htmx",
    }
    return templates.engine("brokerweb_console", [Path(__file__).parent / "templates"], libraries, context=AROUND)


def render_to_string(template: str, context: dict[str, Any], request: HttpRequest) -> SafeString:
    """The page, or its part."""
    return templates.render(_engine(), template, context, request)
