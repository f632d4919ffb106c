"""Ordinary values of Python and Django as the verbs take them: texts, numbers, instants, and any JSON value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

import msgspec
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from brokerweb.core import limits
from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.misfits import invalid

T = TypeVar("T")
_EXACT = {str, int, float, bool, bytes, type(None), list, tuple}


def body_of(value: Any) -> tuple[bytes, bool]:
    """What is stored of a body, JSON text or bytes, and whether it is bytes. Raises Invalid."""
    binary = isinstance(value, bytes | bytearray | memoryview)
    return (bytes(value) if binary else json_text(value)), binary


def text(value: Any, pointer: str) -> str:
    """A name or another text, of whatever kind of text it is. Raises Invalid."""
    return converted(value, str, pointer)


def converted(given: Any, kind: type[T], pointer: str = "") -> T:
    """Ordinary values of Django code as a ``kind``. Raises Invalid, which names the place below ``pointer``."""
    try:
        return msgspec.convert(_plain(given), kind)
    except msgspec.ValidationError as error:
        raise invalid(str(error), kind, pointer) from error


def _plain(value: Any) -> Any:
    """Texts, numbers and instants of the types themselves, in which nothing is decided yet; others as they are."""
    if isinstance(value, Mapping):
        return {_plain(name): _plain(member) for name, member in value.items()}
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    return value if type(value) in _EXACT else _exact(value)


def _exact(value: Any) -> Any:
    """What a lazy text, or a value of a subclass, is."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Promise | str):
        return str.__str__(str(value))
    return next((kind(value) for kind in (int, float) if isinstance(value, kind)), value)


def _said(value: Any) -> Any:
    """What JSON is to say of a value that msgspec does not know. Raises TypeError."""
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    if isinstance(value, Mapping):
        return dict(value)
    exact = _exact(value)
    return DjangoJSONEncoder().default(value) if exact is value else exact


def json_text(body: Any) -> bytes:
    """A body as JSON text. Raises Invalid for what JSON cannot say, NaN and lone surrogates among it."""
    try:
        said = _dumped(body)
    except _UNSAID:
        pointer, culprit, error = _culprit(body, "/body")
        raise Invalid.at(pointer, _why(culprit, error)) from error
    limits.check_depth(said, "/body")
    return said


_UNSAID = (TypeError, ValueError, RecursionError, OverflowError)


def _dumped(body: Any) -> bytes:
    plain = msgspec.to_builtins(body, enc_hook=_said)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _why(culprit: Any, error: Exception) -> str:
    """Why JSON cannot say it, in words that are not a library's."""
    if isinstance(error, RecursionError):
        return f"JSON nests deeper than {limits.MAX_DEPTH}"
    if isinstance(error, UnicodeError):
        return limits.HALF
    if isinstance(culprit, float):
        return "JSON has neither NaN nor Infinity"
    if isinstance(culprit, Mapping):
        return "names in a JSON object are texts"
    return f"JSON cannot say what is of the type {type(culprit).__name__}"


def _culprit(value: Any, pointer: str) -> tuple[str, Any, Exception]:
    """The innermost place that JSON cannot say, what stands there, and why: asked for only where there is one."""
    while True:
        reason, members = _reason(value), _members(value)
        wrong = next(((name, member) for name, member in members if _reason(member)), None) if pointer.count("/") < 100 else None
        if wrong is None:
            return pointer, value, reason or ValueError("JSON cannot say it")
        pointer, value = f"{pointer}/{escape_pointer(wrong[0])}", wrong[1]


def _reason(value: Any) -> Exception | None:
    try:
        _dumped(value)
    except _UNSAID as error:
        return error
    return None


def _members(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def each(items: Any, pointer: str) -> list[Any]:
    """A text is no list of texts. Raises Invalid."""
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise Invalid.at(pointer, "must be a list")
    return list(items)
