"""The page of a search."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from brokerweb.console import list_frame
from brokerweb.console.conditions import Asked
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.search import reading
from brokerweb.console.search.grammar import EXAMPLES
from brokerweb.console.search.listing import LISTING
from brokerweb.console.search.reading import Fault
from brokerweb.core.errors import Invalid


@page
@list_frame.opens_preferred
def search(request: SignedIn) -> HttpResponseBase:
    """What was asked for, what was found and how much of it was looked at."""
    asked, who = Asked.of(request), request.principal
    wanted = list_frame.asked(request, LISTING, q=asked.q, **{"in": " ".join(asked.places)})
    context: dict[str, Any] = {"asked": asked, "examples": EXAMPLES, "export": asked.export, "actions": reading.ACTIONS}
    context |= list_frame.framed(request, wanted)
    try:
        if asked.q:
            context["cause"] = reading.cause_of(who, asked)
            context["found"] = reading.results(who, asked, wanted)
        if not (asked.q and context["found"].hits):
            context["suggestions"] = reading.suggested(who, asked)
    except Invalid as error:
        context["fault"] = Fault.of(error)
    context["may_act"] = "found" in context and any(row.pick for row in context["found"].hits)
    context["may_take_all"] = context["may_act"] and reading.may_take_all(who, asked)
    return render(request, "brokerweb_console/search/search.html", 400 if "fault" in context else 200, **context)
