"""The masks, and changing them: a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import deed, refusing
from brokerweb.console.masks.forms import MasksForm
from brokerweb.console.matching import matched, there
from brokerweb.console.page import SignedIn, form, render_form
from brokerweb.core.masking import Rule
from brokerweb.identity import masks


class Row(NamedTuple):
    """A mask as the page lists it, and what it is about now."""

    rule: Rule
    of_setting: bool
    names: Sequence[str]
    more: int


@form
def change(request: SignedIn) -> HttpResponseBase:
    """What is hidden, where, and from whom; posted, other masks."""
    request.principal.require_admin()
    there = masks.stored()
    asked = MasksForm(request.POST) if request.method == "POST" else MasksForm.of(there)
    if asked.is_valid():
        with refusing(asked):
            rules = asked.asked()
            done = deed(request, "masks.put", "masks")
            masks.put(done, rules, check=lambda now: asked.check_seen(MasksForm.of(now)))
            messages.success(request, f"{len(rules)} mask{'s' * (len(rules) != 1)}. They hold from now on.")
            return redirect("brokerweb_console:masks")
    return render_form(request, "brokerweb_console/masks/page.html", asked, rows=_rows(there))


def _rows(stored: Sequence[Rule]) -> list[Row]:
    known = there()
    rules = [(rule, True) for rule in masks.of_setting()] + [(rule, False) for rule in stored]
    return [Row(rule, of_setting, *matched(known, rule.kind, rule.pattern)) for rule, of_setting in rules]
