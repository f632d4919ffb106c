"""``/api/v1/``."""

from __future__ import annotations

import re
from typing import Any

from django.urls import URLPattern, path, re_path

from brokerweb.faces.rest.base import ApiView, Unknown
from brokerweb.faces.rest.documents import DocsView, SchemaView
from brokerweb.faces.rest.hot_calls import Hot
from brokerweb.faces.rest.routes import ROUTES


def _path(route: str, view: type[ApiView] | Hot) -> URLPattern:
    call: Any = view.view() if isinstance(view, Hot) else view.as_view()
    pattern: URLPattern = path(re.sub(r"\{(\w+)\}", r"<str:\1>", route), call)
    return pattern


urlpatterns = [
    *(_path(route, view) for route, view in ROUTES),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(), name="docs"),
    re_path("", Unknown.as_view()),
]
