"""The colour of the broker's environment, as the stylesheet that the policy asks for: inline styles are none."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from brokerweb import conf
from brokerweb.console.page import missing


@require_safe
def stylesheet(request: HttpRequest) -> HttpResponseBase:
    """It is for strangers, too: the page to sign in shows the environment."""
    shown = conf.get().environment
    if shown is None:
        return missing(request)
    rule = f".environment {{ background-color: {shown.colour}; color: {shown.ink}; }}\n"
    return HttpResponse(rule, content_type="text/css", headers={"Cache-Control": "max-age=86400"})
