"""The shapes of the document of definitions, and of what it would do."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from brokerweb.faces.codec.json import Strict

Things = list[dict[str, Any]] | dict[str, Any]


class Definitions(Struct):
    """Everything declared, each kind by name: objects with `name`, of groups `stream` too, of masks `pattern`, and all settings.

    Of a channel's URL `to` says the host alone.
    """

    queues: list[dict[str, Any]] | UnsetType = UNSET
    streams: list[dict[str, Any]] | UnsetType = UNSET
    groups: list[dict[str, Any]] | UnsetType = UNSET
    topics: list[dict[str, Any]] | UnsetType = UNSET
    masks: list[dict[str, Any]] | UnsetType = UNSET
    schemas: list[dict[str, Any]] | UnsetType = UNSET
    alert_channels: list[dict[str, Any]] | UnsetType = UNSET
    alert_rules: list[dict[str, Any]] | UnsetType = UNSET


class DefinitionsRequest(Strict):
    """What is to be there: lists of objects with `name` and settings, or objects of settings by name.

    What is not named stays as it is.
    """

    queues: Things | UnsetType = UNSET
    streams: Things | UnsetType = UNSET
    groups: list[dict[str, Any]] | UnsetType = UNSET
    topics: Things | UnsetType = UNSET
    masks: Things | UnsetType = UNSET
    schemas: Things | UnsetType = UNSET
    alert_channels: Things | UnsetType = UNSET
    alert_rules: Things | UnsetType = UNSET
    dry_run: bool = False


class Step(Struct):
    """What becomes of one thing. `before` and `after` have what differs; `named` is false of what the document does not name.

    `secret` is a new webhook's, shown this once.
    """

    kind: Literal["queue", "stream", "group", "topic", "mask", "schema", "alert_channel", "alert_rule"]
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    named: bool
    secret: str | UnsetType = UNSET


class DefinitionsPlan(Struct):
    """What was created, changed and left, or with `dry_run` would be."""

    dry_run: bool
    create: list[Step]
    change: list[Step]
    leave: list[Step]
