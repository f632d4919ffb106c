"""What stands still, of what the caller may browse."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.answers.stuck import stuck
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView


def list_stuck(view: ApiView) -> HttpResponse:
    most = paging.limit(view.query())
    return answer(paging.whole(item.as_json() for item in stuck(view.principal, most)))
