"""``/api/v1/``."""

from __future__ import annotations

import re
from itertools import groupby

from django.urls import URLPattern, path, re_path

from brokerweb.faces.http.ownership import own
from brokerweb.faces.rest.base import Unknown
from brokerweb.faces.rest.documents import DocsView, SchemaView
from brokerweb.faces.rest.paths import view_of
from brokerweb.faces.rest.table import CALLS


def _paths() -> list[URLPattern]:
    by_path = groupby(CALLS, lambda row: row.path)
    return [path(re.sub(r"\{(\w+)\}", r"<str:\1>", route), view_of(list(rows))) for route, rows in by_path]


urlpatterns = own(
    [
        *_paths(),
        path("schema", SchemaView.as_view(), name="schema"),
        path("docs", DocsView.as_view(), name="docs"),
        re_path("", Unknown.as_view()),
    ]
)
