"""Where pages are told of news: by ``faces.news``, straight from ASGI. Here is only who comes another way, as under WSGI."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.console.page import SignedIn, page


@page
def news(request: SignedIn) -> HttpResponse:
    """Nobody can be told here: the page looks by itself."""
    return HttpResponse("This server does not tell of news.", status=501, content_type="text/plain")
