"""A document of definitions made true: what would be created, changed and left, and the doing of it.

What is refused is refused before anything is done. What is done is done in some commits, so that nothing waits for all of it;
each thing has its row in the audit trail, in its own commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from itertools import groupby
from typing import Any

from brokerweb.core.errors import BrokerError, Invalid
from brokerweb.core.settings import Errors, refuse
from brokerweb.definitions import document
from brokerweb.definitions.section import CHANGE, CREATE, LEAVE, Place, Settings, Step, Wanted
from brokerweb.definitions.sections import BY_KIND, KINDS, SECTIONS
from brokerweb.identity.principal import Principal
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction

TOGETHER = 50  # things in one commit
Present = Mapping[str, Mapping[Place, Settings]]


def plan(given: object, only: Collection[str] = KINDS) -> list[Step]:
    """What a document would do, kind by kind. Raises Invalid with every place that is wrong, or does not fit what there is."""
    wanted = document.parse(given, only)
    present = {section.kind: section.declared() for section in SECTIONS}
    steps = [_step(one, present[one.section.kind].get(one.place)) for one in wanted]
    _refuse_misfits(steps, present)
    named = {(step.section.kind, step.place) for step in steps}
    others = [
        Step(LEAVE, BY_KIND[kind], place, settings, settings, None)
        for kind in KINDS
        if kind in only
        for place, settings in sorted(present[kind].items())
        if (kind, place) not in named
    ]
    return steps + others


def _step(one: Wanted, before: Settings | None) -> Step:
    after = one.section.settled(before, one.settings)
    act = CREATE if before is None else LEAVE if after == before else CHANGE
    return Step(act, one.section, one.place, before, after, one)


def as_json(steps: Iterable[Step], *, dry_run: bool) -> dict[str, Any]:
    """The plan, or what was done, as answers have it."""
    by_act: dict[str, list[dict[str, Any]]] = {CREATE: [], CHANGE: [], LEAVE: []}
    for step in steps:
        by_act[step.act].append(step.as_json())
    return {"dry_run": dry_run, **by_act}


def apply(by: Principal, steps: Sequence[Step], *, address: str | None = None) -> list[Step]:
    """Make the plan true; the plan, with secrets that were made. Raises BrokerError where it does not fit any more; what was
    done before that stays, and the error says so, and whose secrets nobody was told.
    """
    todo = [step for step in steps if step.act != LEAVE and step.wanted is not None]
    made: dict[tuple[str, Place], str] = {}
    for start in range(0, len(todo), TOGETHER):
        try:
            made |= perform(_declare, by, todo[start : start + TOGETHER], address)
        except BrokerError as error:
            if not start:
                raise
            raise _told(error, start, ["/".join(place) for _, place in made]) from error
    return [step._replace(secret=made.get((step.section.kind, step.place))) for step in steps]


def _told(error: BrokerError, done: int, renew: Sequence[str]) -> BrokerError:
    """The error with what stays: how many things were done, and which of them have secrets that no answer tells now."""
    told = copy(error)  # others of its commit may have the same
    said = f"What was done before this stays: {done} of what it names."
    if renew:
        said += f" Secrets were made for {', '.join(renew)[:200]}, and are told nowhere: make others."
    told.detail, told.extra = f"{said} {error.detail}", {**error.extra, "done": done, "renew": list(renew)}
    return told


def _declare(tx: Transaction, by: Principal, steps: Sequence[Step], address: str | None) -> dict[tuple[str, Place], str]:
    made: dict[tuple[str, Place], str] = {}
    for kind, own in groupby(steps, key=lambda step: step.section.kind):
        secrets = BY_KIND[kind].declare(tx, by, list(own), address)
        made |= {(kind, place): secret for place, secret in secrets.items()}
    return made


def _refuse_misfits(steps: Sequence[Step], present: Present) -> None:
    """Raises Invalid with what a verb would refuse for what there is."""
    errors: Errors = []
    of_document = {(step.section.kind, step.place) for step in steps}

    def there(kind: str, name: str) -> bool:
        return (name,) in present[kind] or (kind, (name,)) in of_document

    for step in steps:
        if step.act != LEAVE and step.wanted is not None:
            faults = step.section.misfits(step, there)
            errors += [{"pointer": f"{step.wanted.pointer}{place}", "detail": detail} for place, detail in faults]
    for section in SECTIONS:
        new = sum(step.act == CREATE and step.section is section for step in steps)
        if section.most is not None and new and new + len(present[section.kind]) > section.most:
            errors.append({"pointer": f"/{section.kind}", "detail": f"there can be {section.most} at most"})
    refuse(errors)


def only(texts: Sequence[str]) -> tuple[str, ...]:
    """The kinds that a request names, one or several, with commas; all where it names none. Raises Invalid."""
    asked = [kind.strip() for text in texts for kind in text.split(",")]
    for kind in asked:
        if kind not in KINDS:
            raise Invalid.at("/only", f"some of {', '.join(KINDS)}, with commas")
    return tuple(kind for kind in KINDS if kind in asked) if asked else KINDS
