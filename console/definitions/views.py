"""The document, as a file."""

from __future__ import annotations

import json

from django.http import HttpResponse, HttpResponseBase

from brokerweb.console.page import SignedIn, page
from brokerweb.definitions import document, importing


@page
def download(request: SignedIn) -> HttpResponseBase:
    """What is declared now, of all kinds or of those that were chosen."""
    request.principal.require_admin()
    found = document.everything(importing.only(request.GET.getlist("only")))
    name = f"definitions-{request.get_host().replace(':', '-')}.json"
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="application/json", headers=headers)
