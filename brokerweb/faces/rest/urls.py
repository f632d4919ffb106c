"""``/api/v1/``."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from django.http import HttpRequest
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from brokerweb.faces.http.ownership import own
from brokerweb.faces.rest.base import Unknown
from brokerweb.faces.rest.paths import view_of
from brokerweb.faces.rest.table import CALLS


def _paths() -> list[URLPattern]:
    by_path = groupby(CALLS, lambda row: row.path)
    return [path(re.sub(r"\{(\w+)\}", r"<str:\1>", route), view_of(list(rows))) for route, rows in by_path]


@csrf_exempt  # as REST framework's views are, which see to it themselves
def _schema(request: HttpRequest) -> Any:
    from brokerweb.faces.rest.documents import SchemaView  # late: a tenth of a start, for what few ask

    return SchemaView.as_view()(request)


@csrf_exempt
def _docs(request: HttpRequest) -> Any:
    from brokerweb.faces.rest.documents import DocsView  # late, as above

    return DocsView.as_view()(request)


urlpatterns = own(
    [
        *_paths(),
        path("schema", _schema, name="schema"),
        path("docs", _docs, name="docs"),
        re_path("", Unknown.as_view()),
    ]
)
