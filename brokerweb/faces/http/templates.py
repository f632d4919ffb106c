"""Templates on engines of the broker's own: the same whatever a project's settings say of templates, languages and numbers.

Ids, offsets, links and what forms send back are never localised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import django
from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates
from django.template.context import make_context
from django.utils import translation
from django.utils.safestring import SafeString

_CACHED = [("django.template.loaders.cached.Loader", ["django.template.loaders.filesystem.Loader"])]
# Parts of templates are found by ``page#part``: by Django itself since 6.0.
_LOADERS = _CACHED if django.VERSION >= (6, 0) else [("template_partials.loader.Loader", _CACHED)]

# Named, as those of the callers are: Django looks for tags in the folders of all apps, where it finds none, without a word, while
# no file descriptor is free. An engine lasts as long as the process.
_LIBRARIES = {"static": "django.templatetags.static"}


def engine(
    name: str, directories: Sequence[Path], libraries: Mapping[str, str], *, context: Sequence[str] = ()
) -> DjangoTemplates:
    """An engine that finds the templates in those directories; ``context`` names what it adds to each."""
    options = {"loaders": _LOADERS, "libraries": {**_LIBRARIES, **libraries}, "context_processors": list(context)}
    return DjangoTemplates({"NAME": name, "DIRS": list(directories), "APP_DIRS": False, "OPTIONS": options})


def render(engine: DjangoTemplates, template: str, context: dict[str, Any], request: HttpRequest) -> SafeString:
    """The template, or a part of it, in English."""
    found = engine.get_template(template)
    bound: Any = make_context(context, request)
    bound.use_l10n = bound.use_tz = False
    with translation.override("en"):
        return found.template.render(bound)
