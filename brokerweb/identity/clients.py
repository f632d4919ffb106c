"""Who takes messages, so that people read names: what a client calls itself, its token or user, its connection and address.

Messages and failures name a *holder*, ``ws:NODE/CONNECTION/SUB`` or ``rest:OWNER``. A holder is introduced once, in a commit
before that of its first lease, and its row is read by its text from then on; it goes when it was not seen for ``KEPT``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from brokerweb.core import clock, remembered
from brokerweb.core.errors import BrokerError
from brokerweb.identity.models import Client, Token
from brokerweb.identity.principal import Principal
from brokerweb.storage import run
from brokerweb.storage.calls import Call
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.identity", "clients.sql")

KEPT = 604_800.0  # seconds a client that nobody has seen since is known by its name
MOST = 100_000  # clients: those not seen for longest go first
LIMIT = 500  # of them in one commit
SEEN = 600.0  # seconds after which one that is still there is said to be
LONGEST_HOLDER = 255
_AT_ONCE = 500  # holders in one statement
_REMEMBERED = 10_000  # of this process; one that is forgotten is introduced once more


class Introduction(NamedTuple):
    """What is told of a holder: the parameters of ``introduce``. ``name`` is its token's or user's."""

    holder: str
    client: str
    name: str
    owner: str
    connection: str | None
    address: str | None


class Who(NamedTuple):
    """A holder in words for people. ``client`` is what it calls itself, else its token's or user's name, which is ``by``."""

    client: str
    by: str | None = None
    owner: str | None = None
    connection: str | None = None  # the id of its connection, which may have ended
    address: str | None = None
    kind: Literal["websocket", "rest", "broker"] = "broker"


# What holders are called


def socket_holder(node: str, connection: str, sub: str) -> str:
    """Who holds what a subscription is handed, as messages name it."""
    return f"ws:{node}/{connection}/{sub[:200]}"


def caller_holder(owner: str, client: str | None = None) -> str:
    """Who holds what a call receives: callers of one token are told apart by the names they give themselves."""
    return (f"rest:{owner}/{client}" if client else f"rest:{owner}")[:LONGEST_HOLDER]


def connection_of(holder: str) -> str:
    """The part of a subscription's holder that all subscriptions of its connection share."""
    return "/".join(holder.split("/", 2)[:2])


# Introductions


class _Known:
    """Holders that this process has introduced, and when it last said so. Bounded; safe to use from any thread."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Introduction, float]] = {}
        self._mutex = threading.Lock()

    def knows(self, holder: str) -> bool:
        said = self._said.get(holder)
        return said is not None and time.monotonic() - said[1] < SEEN

    def has(self, introduction: Introduction) -> bool:
        said = self._said.get(introduction.holder)
        return said is not None and said[0] == introduction and time.monotonic() - said[1] < SEEN

    def add(self, introduction: Introduction) -> None:
        with self._mutex:
            self._said.pop(introduction.holder, None)
            self._said[introduction.holder] = introduction, time.monotonic()
            while len(self._said) > _REMEMBERED:
                del self._said[next(iter(self._said))]

    def forget(self, holder: str) -> None:
        with self._mutex:
            self._said.pop(holder, None)

    def clear(self) -> None:
        with self._mutex:
            self._said.clear()


_known = _Known()
remembered.of_store(_known.clear)


def known(holder: str) -> bool:
    """Whether a holder was introduced lately."""
    return _known.knows(holder)


def introduce(introduction: Introduction) -> None:
    """Have it noted who a holder is, before whatever the caller asks the committer for next. One noted lately costs nothing.

    Where the store cannot take it the holder is nameless until its next turn: no lease waits for a name.
    """
    if _known.has(introduction):
        return

    def noted(call: Call) -> None:
        if call.error is not None:
            _known.forget(introduction.holder)

    _known.add(introduction)
    try:
        run.start(note, (introduction,), {}, done=noted)
    except BrokerError:
        _known.forget(introduction.holder)


def introduce_caller(principal: Principal, holder: str, client: str | None, address: str | None) -> None:
    """``introduce`` a caller of REST."""
    introduce(Introduction(holder, client or principal.name, principal.name, principal.owner, None, address))


# Verbs


def note(tx: Transaction, introduction: Introduction) -> None:
    """Write who a holder is."""
    tx.change(Q.introduce, *introduction, tx.now)


def see(tx: Transaction, holders: Iterable[str]) -> None:
    """These are still there."""
    tx.change_many(Q.see_client, [(holder, tx.now) for holder in holders])


def forget(tx: Transaction, limit: int = LIMIT) -> int:
    """Forget clients that nobody has seen for long, and the first of too many; how many that were."""
    gone = tx.change(Q.forget_clients, tx.now - clock.seconds(KEPT), limit)
    crowded = tx.value(Q.nth_client, MOST) if gone < limit else None
    return gone if crowded is None else gone + tx.change(Q.forget_clients, crowded, limit - gone)


# Reading


def describe(holders: Iterable[str | None]) -> dict[str, Who]:
    """Who each of the holders is, of whom there is one at all: by one statement, and one more for tokens nobody has noted."""
    wanted = {holder for holder in holders if holder}
    rows = _rows(wanted | {connection_of(holder) for holder in wanted if holder.startswith("ws:")})
    unknown = {holder: _token_of(holder) for holder in wanted if holder not in rows and holder.startswith("rest:")}
    names = _token_names(unknown.values())
    return {holder: _who(holder, rows, names.get(unknown.get(holder) or 0)) for holder in wanted}


def _rows(holders: Iterable[str]) -> dict[str, Client]:
    texts = sorted(holders)
    chunks = (texts[n : n + _AT_ONCE] for n in range(0, len(texts), _AT_ONCE))
    return {row.holder: row for chunk in chunks for row in Client.objects.filter(holder__in=chunk)}


def _who(holder: str, rows: Mapping[str, Client], token: str | None) -> Who:
    row = rows.get(holder) or rows.get(connection_of(holder))
    kind: Literal["websocket", "rest"] = "websocket" if holder.startswith("ws:") else "rest"
    if row is not None:
        return Who(row.client, row.name, row.owner, row.connection, row.address, kind)
    if kind == "websocket":
        parts = holder.split("/", 2)
        return Who("a client that has gone", connection=parts[1] if len(parts) > 1 else None, kind=kind)
    owner, _, client = holder.removeprefix("rest:").partition("/")
    nameless = "a token that has gone" if owner.startswith("token:") else "a signed-in user"
    return Who(client or token or nameless, by=token, owner=owner, kind=kind)


def _token_of(holder: str) -> int | None:
    number = holder.removeprefix("rest:token:").partition("/")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None


def _token_names(ids: Iterable[int | None]) -> dict[int, str]:
    wanted = {id for id in ids if id is not None}
    return dict(Token.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}
