"""The document: written of what there is, and read.

    {"queues": [{"name": "orders", "lease": 30, …}], "streams": […], "groups": [{"stream": "events", "name": "billing", …}],
     "topics": [{"name": "shop", "bindings": […], …}], "masks": [{"pattern": "orders.*", "fields": […]}],
     "alert_channels": […], "alert_rules": […]}

A kind may also be an object by name, as a project's settings have it. What a document does not name stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from brokerweb.core.errors import BrokerError, Invalid, escape_pointer
from brokerweb.core.settings import Errors, refuse
from brokerweb.definitions.section import Place, Section, Wanted
from brokerweb.definitions.sections import KINDS, SECTIONS

MOST = 20_000  # things in one document


def everything(only: Collection[str] = KINDS) -> dict[str, list[dict[str, Any]]]:
    """The document of what there is now, each kind by name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for section in SECTIONS:
        if section.kind in only:
            there = sorted(section.declared().items())
            found[section.kind] = [_named(section, place) | section.exported(settings) for place, settings in there]
    return found


def _named(section: Section, place: Place) -> dict[str, Any]:
    return dict(zip(section.names, place, strict=True))


def parse(document: object, only: Collection[str] = KINDS) -> list[Wanted]:
    """What a document asks for, of those kinds, in the order in which it is made. Raises Invalid with all that is wrong."""
    errors: Errors = []
    if not isinstance(document, Mapping):
        raise Invalid.at("", f"an object of {', '.join(KINDS)}")
    for name in document:
        if name not in KINDS:
            errors.append({"pointer": f"/{escape_pointer(name)}", "detail": f"is none of {', '.join(KINDS)}"})
    asked = [section for section in SECTIONS if section.kind in only and section.kind in document]
    wanted = [one for section in asked for one in _of_section(section, document[section.kind], errors)]
    if len(wanted) > MOST:
        errors.append({"pointer": "", "detail": f"at most {MOST} things in one document"})
    _refuse_twice(wanted, errors)
    refuse(errors)
    return wanted


def _of_section(section: Section, given: object, errors: Errors) -> Iterator[Wanted]:
    at = f"/{section.kind}"
    if isinstance(given, Mapping) and len(section.names) == 1:
        if all(isinstance(settings, Mapping | None) for settings in given.values()):
            by_name = given.items()
            [word] = section.names
            given = [(f"{at}/{escape_pointer(name)}", {**(settings or {}), word: name}) for name, settings in by_name]
    elif isinstance(given, list):
        given = [(f"{at}/{place}", item) for place, item in enumerate(given)]
    if not isinstance(given, list):
        errors.append({"pointer": at, "detail": f"a list of objects with a {section.names[-1]}"})
        return
    for pointer, item in given:
        if (one := _one(section, item, pointer, errors)) is not None:
            yield one


def _one(section: Section, item: object, pointer: str, errors: Errors) -> Wanted | None:
    if not isinstance(item, Mapping):
        errors.append({"pointer": pointer, "detail": f"an object with a {section.names[-1]} and settings"})
        return None
    settings = {name: value for name, value in item.items() if name not in section.names}
    before = len(errors)
    try:
        place = tuple(section.name(item.get(name), f"{pointer}/{name}") for name in section.names)
    except Invalid as error:
        errors += error.extra["errors"]
        return None
    try:
        section.validate(settings)
    except BrokerError as error:
        errors += [{**fault, "pointer": f"{pointer}{fault['pointer']}"} for fault in error.extra.get("errors", [])]
    return Wanted(section, place, settings, pointer) if len(errors) == before else None


def _refuse_twice(wanted: Sequence[Wanted], errors: Errors) -> None:
    seen: set[tuple[str, Place]] = set()
    for one in wanted:
        if (one.section.kind, one.place) in seen:
            errors.append({"pointer": one.pointer, "detail": f"{one.target} stands here twice"})
        seen.add((one.section.kind, one.place))
