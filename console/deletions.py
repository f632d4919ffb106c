"""What confirms a deletion: a page that says what goes with it, and its name, typed where something is in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console.acting import confirmation, telling
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import visible
from brokerweb.routing import topics


@dataclass(frozen=True)
class Deletion:
    """A deletion being asked for: of what, where that is, and what goes with it."""

    request: SignedIn
    name: str
    text: str
    facts: Sequence[tuple[str, Any]]
    button: str
    crumbs: Sequence[tuple[str, str]]

    @property
    def confirmed(self) -> bool:
        return self.request.method == "POST" and self.request.POST.get("typed") == self.name

    def page(self) -> HttpResponse:
        """What would go, exactly."""
        posted = self.request.method == "POST"
        return confirmation(
            self.request,
            f"Delete {self.name}",
            self.text,
            400 if posted else 200,
            error="The name was not typed as it is." if posted else "",
            facts=self.facts,
            button=self.button,
            crumbs=self.crumbs,
            cancel=self.crumbs[-1][1],
            **typed_name(self.name),
        )


def typed_name(name: str) -> dict[str, Any]:
    """The name that must be typed."""
    return {"typed": name, "typed_pattern": re.sub(r"([.])", r"\\\1", name)}


def removal(
    request: SignedIn,
    kind: str,
    name: str,
    *,
    of: tuple[str, str],
    text: str,
    facts: Sequence[tuple[str, str]],
    remove: Callable[..., Any],
) -> HttpResponseBase:
    """What goes, and once that was clicked, that it is gone; ``of`` is the list it was in, and that list's address by name."""
    title, listing = of
    place = reverse(listing)
    if request.method != "POST":
        ways: dict[str, Any] = {"button": f"Delete the {kind}", "crumbs": [(title, place)], "cancel": place}
        return confirmation(request, f"Delete {kind} {name}", text, facts=facts, **ways)
    with telling(request, f"{kind.capitalize()} {name} is gone."):
        remove(request.principal, name, address=request.META.get("REMOTE_ADDR"))
    return redirect(listing)


def topics_to(request: SignedIn, destination: str) -> list[tuple[str, str]]:
    """The topics that lead to what goes, by name where the person may browse them."""
    led, may = topics.bound_to(destination), visible(request.principal, "topic")
    named = [name for name in led if may(name)]
    if others := len(led) - len(named):
        named.append(f"{others} that you may not browse")
    return [("Topics that lead here", ", ".join(named))] if named else []
