"""The section of schemas, by which pages read bodies."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from brokerweb import schemas
from brokerweb.core.settings import Errors, Setting, check, refuse, table
from brokerweb.definitions.section import Faults, Place, Settings, Step, Tabled, There, faults_of
from brokerweb.identity.principal import Principal
from brokerweb.storage.transaction import Transaction

TEXT, BYTES = "source", "source_base64"


def _encoded(value: Any) -> str:
    try:
        return base64.b64encode(base64.b64decode(value, validate=True)).decode()
    except (TypeError, ValueError):
        raise ValueError("must be base64") from None


def _text(value: Any) -> str:
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise ValueError("must be a text, without half a surrogate pair") from None
    return str(value)


class Schemas(Tabled):
    """What bodies consist of; the document has all of it."""

    kind, of, most = "schemas", "schema", schemas.MOST
    table = table(
        Setting(column="kind", type=str, default=None, words=schemas.KINDS, rule=f"one of {', '.join(schemas.KINDS)}"),
        Setting(column="pattern", type=str, default=None, rule="a pattern such as queue:orders.*"),
        Setting(column="content_type", type=str, default=None, null_is_a_value=True, rule="a text"),
        Setting(column="message", type=str, default=None, null_is_a_value=True, rule="a text"),
        Setting(column=TEXT, type=str, default=None, parse=_text),
        Setting(column=BYTES, type=str, default=None, parse=_encoded),
    )

    def declared(self) -> dict[Place, Settings]:
        there = [schema.as_json() for schema in schemas.listed()]
        return {(schema.pop("name"),): schema for schema in there}

    def validate(self, settings: Settings) -> None:
        errors: Errors = []
        check(settings, self.table, errors)
        refuse(errors)

    def settled(self, before: Settings | None, given: Settings) -> Settings:
        """Of the two ways to write a source the one that is given stands in the place of what there was."""
        named = {name: value for name, value in given.items() if name not in (TEXT, BYTES) or value is not None}
        kept = before or dict.fromkeys(("kind", "pattern", "content_type", "message"))
        if TEXT in named or BYTES in named:
            kept = {name: value for name, value in kept.items() if name not in (TEXT, BYTES)}
        return super().settled(kept, named)

    def misfits(self, step: Step, there: There) -> Faults:
        after = step.after or {}
        if (TEXT in after) == (BYTES in after):
            return [(f"/{TEXT}", f"one of {TEXT} and {BYTES} is needed, and not both")]
        if missing := [name for name in ("kind", "pattern") if not after[name]]:
            return [(f"/{missing[0]}", "is needed")]
        return faults_of(lambda: schemas.checked(_schema(step)))

    def declare(self, tx: Transaction, by: Principal, steps: Sequence[Step], address: str | None) -> Mapping[Place, str]:
        for step in steps:
            schemas.store(by, schemas.spelled(_schema(step)), address=address)  # the plan has tried whether it can be read with
            tx.writes += 1
        return {}

    def shown(self, settings: Settings, whole: Settings) -> Settings:
        """A source as its size and what tells it from another."""
        shown = dict(settings)
        for name in (TEXT, BYTES):
            if name in shown:
                source = _source(shown)
                shown[name] = f"{len(source):,} bytes, SHA-256 {sha256(source).hexdigest()[:12]}…"
        return shown

    def exported(self, settings: Settings) -> Settings:
        return settings


def _schema(step: Step) -> schemas.Schema:
    after = step.after or {}
    return schemas.Schema(step.place[0], after["kind"], after["pattern"], _source(after), after["message"], after["content_type"])


def _source(settings: Settings) -> bytes:
    return settings[TEXT].encode() if TEXT in settings else base64.b64decode(settings[BYTES])
