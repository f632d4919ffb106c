"""The shapes of settings, made from the tables that check them: as requests name them, and as answers show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.core.settings import Setting, plain
from brokerweb.faces.codec.json import Strict

Table = Mapping[str, Setting | Any]  # by name; what is no setting is the type of a part that has a shape of its own


def asked(table: Table) -> Any:
    """A struct to be subclassed: any of the settings, and ``null`` for the default; a setting that is not named stays."""
    return msgspec.defstruct("Asked", [(name, _asked(s) | UnsetType | None, UNSET) for name, s in table.items()], bases=(Strict,))


def parts(table: Mapping[str, Setting]) -> Any:
    """The same for a setting of several parts, whose defaults the document is to tell."""
    return msgspec.defstruct("Parts", [(name, _asked(s) | None, plain(s.default)) for name, s in table.items()], bases=(Strict,))


def shown(base: type[Struct], table: Table) -> Any:
    """A struct to be subclassed: the ``base``, then the settings as they are."""
    return msgspec.defstruct("Shown", [(name, _shown(setting)) for name, setting in table.items()], bases=(base,))


def _asked(setting: Setting | Any) -> Any:
    if not isinstance(setting, Setting):
        return setting
    if setting.type in (float, int):
        return Annotated[setting.type, Meta(ge=setting.low, le=setting.high)]
    words = (setting.default,) if setting.planned else setting.words
    return Literal[words] if words else setting.type


def _shown(setting: Setting | Any) -> Any:
    if not isinstance(setting, Setting):
        return setting
    kind: Any = Literal[setting.words] if setting.words else setting.type
    return kind | None if setting.default is None or setting.null_is_a_value else kind
