"""Masks: what of messages and records is shown as ``•••`` to whoever browses them without the verb ``unmask``.

Here alone it is decided what is hidden from whom. Whatever shows a message to who looks asks for the ``Veil`` of its queue or
stream, and looks through it; who consumes gets what was published. Rules are of the setting BROKERWEB_MASK, and of
``PUT /masks``, which take effect at once in this process and within ``FRESH`` seconds in others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
from django.db import Error

from brokerweb import conf
from brokerweb.core import masking, remembered
from brokerweb.core.errors import Forbidden, Invalid, Unavailable
from brokerweb.core.masking import HIDDEN, IN_JSON, NOTHING, Hidden, Rule
from brokerweb.core.names import glob
from brokerweb.identity.audit import Entry, with_entry
from brokerweb.identity.grants import CONSUME, UNMASK
from brokerweb.identity.models import Mask
from brokerweb.identity.principal import Principal
from brokerweb.identity.threads import in_thread
from brokerweb.storage.declared import declaring
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction

FRESH = 2.0  # seconds for which rules that were read are believed
_MOST = 4_096  # names whose rules are remembered
T = TypeVar("T")
_mutex = threading.Lock()


class _Known:
    """The rules as they were read, and what they hide of which name."""

    def __init__(self, rules: Sequence[Rule], read_at: float) -> None:
        self.rules, self.read_at = rules, read_at
        self._of: dict[tuple[str, str], Hidden] = {}

    def hidden(self, kind: str, name: str) -> Hidden:
        try:
            return self._of[kind, name]
        except KeyError:
            pass
        fields = (field for rule in self.rules if _is_of(rule, kind, name) for field in rule.fields)
        found = masking.hidden(tuple(sorted(set(fields)))) if self.rules else NOTHING
        if len(self._of) < _MOST:
            self._of[kind, name] = found
        return found


Leads = Callable[[str], Iterable[tuple[str, str]]]


def _nowhere(topic: str) -> Iterable[tuple[str, str]]:
    return ()


_leads: Leads = _nowhere
_known: _Known | None = None
_generation = 0


def _is_of(rule: Rule, kind: str, name: str) -> bool:
    return rule.kind in (None, kind) and glob(rule.pattern).fullmatch(name) is not None


# Whom it is hidden from


class Veil:
    """What somebody does not see of the messages of one queue or stream; of those that see all it is empty, and false."""

    __slots__ = ("hidden",)

    def __init__(self, hidden: Hidden = NOTHING) -> None:
        self.hidden = hidden

    def __bool__(self) -> bool:
        return bool(self.hidden)

    @property
    def fields(self) -> tuple[str, ...]:
        return self.hidden.fields

    def hides(self, word: str) -> bool:
        """Whether ``key``, ``error`` or ``result`` is hidden."""
        return word in self.hidden.words

    def word(self, word: str, text: str | None) -> str | None:
        return HIDDEN if text is not None and word in self.hidden.words else text

    def body(self, body: bytes | memoryview, *, binary: bool) -> bytes:
        """A body, or its beginning, as it is seen; one that is no JSON has no paths, and is hidden whole where paths are."""
        if not self.hidden.paths:
            return bytes(body)
        if binary:
            return IN_JSON.encode()
        return self.hidden.body(bytes(body).decode(errors="ignore")).encode()

    def is_whole(self, *, binary: bool) -> bool:
        """Whether something else stands for a body that is not JSON."""
        return binary and bool(self.hidden.paths)

    def headers(self, text: str | None) -> str | None:
        return None if text is None else self.hidden.headers_of(text)

    def over(self, found: T) -> T:
        """The message, record or failure as it is seen: all that is hidden reads as ``•••``, whatever asks for it."""
        if not self.hidden or found is None or isinstance(found, Seen):
            return found
        return cast(T, Seen(found, self))

    def over_all(self, found: Iterable[T]) -> list[T]:
        return [self.over(each) for each in found]

    def over_record(self, record: T) -> T:
        """The same of a record that is a plain value."""
        known: Any = record
        if not self.hidden or known.damaged:
            return record
        return cast(
            T,
            msgspec.structs.replace(
                known,
                key=self.word(masking.KEY, known.key),
                headers=self.headers(known.headers),
                body=self.body(known.body, binary=known.binary),
                binary=known.binary and not self.is_whole(binary=known.binary),
            ),
        )

    def require_all(self, what: str) -> None:
        """Raises Forbidden where something is hidden: ``what`` would tell it, or lose it."""
        if self.hidden:
            raise Forbidden(f"{what} needs the verb unmask: {', '.join(self.fields)} of these messages are masked.")

    def require_key(self, key: Any) -> None:
        """Raises Forbidden where keys are hidden and one is asked for: whether there is one of that name would be told."""
        if key is not None and self.hides(masking.KEY):
            raise Forbidden("Keys of these messages are masked: to look for one needs the verb unmask.")


CLEAR = Veil()


def _body(seen: Veil, inner: Any, value: Any) -> Any:
    return seen.body(value, binary=inner.binary)


def _word(word: str) -> Callable[[Veil, Any, Any], Any]:
    return lambda veil, inner, value: veil.word(word, value)


_READ: Mapping[str, Callable[[Veil, Any, Any], Any]] = {
    "body": _body,
    "beginning": _body,
    "binary": lambda veil, inner, value: value and not veil.is_whole(binary=value),
    "headers": lambda veil, inner, value: veil.headers(value),
    "key": _word(masking.KEY),
    "last_error": _word(masking.ERROR),
    "error": _word(masking.ERROR),
}


class Seen:
    """A message or failure behind a veil. It is taken for what it is, and has what that has, but for what is hidden."""

    def __init__(self, inner: Any, veil: Veil) -> None:
        self.__dict__["_inner"], self.__dict__["veil"] = inner, veil

    @property  # type: ignore[misc]  # so that isinstance takes it for the other
    def __class__(self) -> type[Any]:
        return type(self._inner)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        read = _READ.get(name)
        if read is None or (name in ("body", "beginning") and value is None):
            return value
        seen = self.__dict__[name] = read(self.veil, self._inner, value)
        return seen

    def __str__(self) -> str:
        return str(self._inner)


def veil(principal: Principal, kind: str, name: str) -> Veil:
    """What is hidden from them of a queue's, stream's or topic's messages. It may read the store: for threads."""
    if principal.may(UNMASK, kind, name):
        return CLEAR
    hidden = _current().hidden(kind, name)
    return Veil(hidden) if hidden else CLEAR


def veiling(principal: Principal, kind: str) -> Callable[[str], Veil]:
    """``veil`` for thousands of names of a kind, which are not looked up one by one where nothing is hidden."""
    return _clear if principal.may_all(UNMASK) or not _current().rules else partial(veil, principal, kind)


def _clear(name: str) -> Veil:
    return CLEAR


async def aveil(principal: Principal, kind: str, name: str) -> Veil:
    """``veil`` from the event loop: another thread reads, where it was long ago that one did."""
    if principal.may(UNMASK, kind, name):
        return CLEAR
    known = _believed()
    if known is None:
        known = await in_thread(_current)
    hidden = known.hidden(kind, name)
    return Veil(hidden) if hidden else CLEAR


async def areader_veil(principal: Principal, stream: str) -> Veil:
    """``aveil`` for the calls that whoever consumes a stream makes, too: from them nothing is hidden."""
    return CLEAR if principal.may(CONSUME, "stream", stream) else await aveil(principal, "stream", stream)


def require_no_less(principal: Principal, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Raises Forbidden where what is hidden from them in one place would be shown to them in another.

    What a topic has is only ever seen where it leads: hidden of it is what is hidden anywhere there, and hidden of what is
    published to it is what is hidden everywhere there.
    """
    fields = _hidden_somewhere(principal, *source) - _hidden_everywhere(principal, *target)
    if fields:
        raise Forbidden(
            f"{', '.join(sorted(fields))} of {':'.join(source)} are masked, and would not be in {':'.join(target)}: "
            "to take messages there needs the verb unmask."
        )


def _hidden_somewhere(principal: Principal, kind: str, name: str) -> set[str]:
    return set(veil(principal, kind, name).fields).union(*_hidden_where_it_leads(principal, kind, name))


def _hidden_everywhere(principal: Principal, kind: str, name: str) -> set[str]:
    led = _hidden_where_it_leads(principal, kind, name)
    return set.intersection(*led) if led else set(veil(principal, kind, name).fields)


def _hidden_where_it_leads(principal: Principal, kind: str, name: str) -> list[set[str]]:
    return [set(veil(principal, *to).fields) for to in (_leads(name) if kind == "topic" else ())]


def lead_by(reader: Leads) -> None:
    """From now on ``reader`` says where a topic leads."""
    global _leads
    _leads = reader


# The rules


def of_setting() -> tuple[Rule, ...]:
    """Those of BROKERWEB_MASK."""
    return conf.get().mask


def stored() -> tuple[Rule, ...]:
    """Those that were put, read from the store."""
    return tuple(Rule(row.kind, row.pattern, tuple(row.fields)) for row in Mask.objects.order_by("pk"))


def merged(rules: Iterable[Rule]) -> list[Rule]:
    """The same with one rule for each pattern."""
    found: dict[tuple[str | None, str], dict[str, None]] = {}
    for rule in rules:
        found.setdefault((rule.kind, rule.pattern), {}).update(dict.fromkeys(rule.fields))
    return [Rule(*of, tuple(fields)) for of, fields in found.items()]


def change(tx: Transaction, entry: Entry, changed: Callable[[Sequence[Rule]], Sequence[Rule]]) -> None:
    """From now on the rules beside those of the setting are what ``changed`` makes of them, and the audit trail says so.

    Nobody else changes them meanwhile. Raises Invalid where they are too many, or the fields of one pattern are.
    """
    declaring(tx, "masks")
    before = stored()
    rules = changed(before)
    _bound(rules, before)
    detail = {"before": {"masks": [rule.as_json() for rule in before]}, "after": {"masks": [rule.as_json() for rule in rules]}}
    with_entry(tx, entry._replace(detail=detail), _replace, rules)


def _bound(rules: Sequence[Rule], before: Sequence[Rule]) -> None:
    if len(rules) > masking.MAX_RULES:
        raise Invalid.at("/masks", f"at most {masking.MAX_RULES} masks")
    had = {rule.target: len(rule.fields) for rule in merged(before)}
    for rule in merged(rules):
        if len(rule.fields) > max(masking.MAX_FIELDS, had.get(rule.target, 0)):
            raise Invalid.at("/masks", f"{rule.target}: at most {masking.MAX_FIELDS} fields, in all of its rules together")


def _replace(tx: Transaction, rules: Sequence[Rule]) -> None:
    Mask.objects.all().delete()
    Mask.objects.bulk_create([Mask(kind=rule.kind, pattern=rule.pattern, fields=list(rule.fields)) for rule in rules])
    tx.writes += 1
    tx.learnt(forget)


def put(entry: Entry, rules: Sequence[Rule], *, check: Callable[[Sequence[Rule]], None] = lambda _: None) -> None:
    """``change`` to these, in one commit. Raises Invalid, and what the ``check`` does of those that there are."""

    def changed(before: Sequence[Rule]) -> Sequence[Rule]:
        check(before)
        return rules

    perform(change, entry, changed)
    forget()


def parse(given: Any, pointer: str = "/masks") -> tuple[Rule, ...]:
    """The rules of a request. Raises Invalid."""
    try:
        return masking.listed(given)
    except ValueError as error:
        raise Invalid.at(pointer, str(error)) from None


def forget() -> None:
    """Read the rules anew."""
    global _known, _generation
    with _mutex:
        _known, _generation = None, _generation + 1


remembered.of_store(forget)


def _believed() -> _Known | None:
    known = _known
    return known if known is not None and time.monotonic() - known.read_at <= FRESH else None


def _current() -> _Known:
    """Raises Unavailable where the store cannot say: nothing is shown then."""
    global _known
    found = _believed()
    while found is None:
        generation, began = _generation, time.monotonic()
        try:
            found = _Known((*of_setting(), *stored()), began)
        except Error as error:
            raise Unavailable("The masks cannot be read.") from error
        with _mutex:
            if generation != _generation:
                found = None
            else:
                _known = found
    return found
