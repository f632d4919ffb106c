"""Schemas are made, changed and removed: forms."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb import schemas
from brokerweb.console.acting import refusing
from brokerweb.console.deletions import removal
from brokerweb.console.page import SignedIn, form, render_form
from brokerweb.console.schemas.forms import SchemaForm

LIST = "brokerweb_console:schemas"


@form
def new_schema(request: SignedIn) -> HttpResponseBase:
    """Bring one in."""
    request.principal.require_admin()
    asked = SchemaForm(request.POST, request.FILES) if request.method == "POST" else SchemaForm()
    if asked.is_valid():
        with refusing(asked):
            made = asked.schema()
            schemas.declare(request.principal, made, address=request.META.get("REMOTE_ADDR"), new=True)
            messages.success(request, f"Schema {made.name} is there: what it holds for is read by it.")
            return redirect(LIST)
    return render_form(request, "brokerweb_console/schemas/schema.html", asked, title="New schema")


@form
def schema(request: SignedIn, name: str) -> HttpResponseBase:
    """Change one; what was brought in stays where nothing else is."""
    request.principal.require_admin()
    row = schemas.find(name)
    known, posted = schemas.of_row(row), request.method == "POST"
    asked = SchemaForm(request.POST, request.FILES, known=known) if posted else SchemaForm(known=known)
    if asked.is_valid():
        with refusing(asked):
            made, address = asked.schema(), request.META.get("REMOTE_ADDR")
            schemas.declare(request.principal, made, address=address, seen=asked.check_schema)
            messages.success(request, f"Schema {name} is changed.")
            return redirect(LIST)
    return render_form(request, "brokerweb_console/schemas/schema.html", asked, title=name, row=row)


@form
def delete(request: SignedIn, name: str) -> HttpResponseBase:
    """Remove one."""
    request.principal.require_admin()
    row = schemas.find(name)
    facts = [("Of", row.pattern), ("Kind", row.kind), *([("Message", row.message)] if row.message else [])]
    text = "Bodies are shown as without it. Keep its file if you may need it again."
    return removal(request, "schema", name, of=("Schemas", LIST), text=text, facts=facts, remove=schemas.delete)
