"""API tokens turned into principals, and whether a principal still stands.

Time tells nothing about a token: it is found by its SHA-256, so that no comparison stops at its first wrong byte.
Principals are kept for up to 5 seconds. A revocation counts at once in this process and within that time elsewhere.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from django.db import Error, transaction
from django.db.models import Q, QuerySet

from brokerweb.core import clock, remembered
from brokerweb.core.errors import Unauthenticated, Unavailable
from brokerweb.identity import users
from brokerweb.identity.cache import PrincipalCache
from brokerweb.identity.models import Token
from brokerweb.identity.principal import Principal
from brokerweb.identity.threads import in_thread

LONGEST = 512
_AT_A_TIME = 500  # ids in one statement
_cache = PrincipalCache()
_listeners: list[Callable[[str], None]] = []
_used: dict[int, int] = {}  # token id -> when last read, until the duty writes it
_used_mutex = threading.Lock()
remembered.of_store(_cache.clear)
remembered.of_run(_used.clear)


def digest_of(text: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def cached(text: str) -> Principal | None:
    """The principal of a token read in the last 5 seconds, without any I/O; None says nothing but "authenticate"."""
    return _cache.get(digest_of(text)) if len(text) <= LONGEST else None


def authenticate(text: str) -> Principal:
    """The principal of a token. Raises Unauthenticated, or Unavailable when the store cannot tell."""
    digest = _plausible(text)
    known = _cache.get(digest)
    return known if known is not None else _load(digest)


async def aauthenticate(text: str) -> Principal:
    """``authenticate`` from the event loop."""
    digest = _plausible(text)
    known = _cache.get(digest)
    return known if known is not None else await in_thread(_load, digest)


def still_valid(principal: Principal) -> bool:
    """Whether the store still knows this principal with these very grants. Raises Unavailable when it cannot tell."""
    return still_valid_all([principal])[0]


async def astill_valid(principal: Principal) -> bool:
    """``still_valid`` from the event loop."""
    return await in_thread(still_valid, principal)


def still_valid_all(principals: Sequence[Principal]) -> list[bool]:
    """``still_valid`` for many, tokens by one statement for 500."""
    try:
        by_owner = _tokens_now({p.owner for p in principals if p.owner.startswith("token:")})
        _note_used(by_owner.values())
        return [_stands(principal, by_owner) for principal in principals]
    except Error as error:
        raise Unavailable("the tokens cannot be read") from error


async def astill_valid_all(principals: Sequence[Principal]) -> list[bool]:
    """``still_valid_all`` from the event loop."""
    return await in_thread(still_valid_all, principals)


def on_revoked(listener: Callable[[str], None]) -> Callable[[], None]:
    """Call ``listener`` with the owner of every token revoked in this process, after the commit; returns how to stop.

    It is called on the thread that revoked, must be quick and must not raise.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener) if listener in _listeners else None


def announce_revoked(owner: str) -> None:
    """Refuse that owner's token from now on, and tell who listens as soon as the revocation is committed."""
    _cache.forget(owner)
    transaction.on_commit(lambda: _tell(owner))


def forget_cached() -> None:
    """Ask the store anew about every token."""
    _cache.clear()


def take_used() -> dict[int, int]:
    """Which tokens were used since the last call, and when; for the duty that writes it."""
    with _used_mutex:
        used = dict(_used)
        _used.clear()
    return used


def _plausible(text: str) -> str:
    if not 0 < len(text) <= LONGEST:
        raise Unauthenticated("that is no token")
    digest = digest_of(text)
    if _cache.is_unknown(digest):
        raise Unauthenticated("the token is unknown, revoked or expired")
    return digest


def _load(digest: str) -> Principal:
    """Read a token until no revocation fell between the reading and its entry in the cache."""
    while True:
        generation, read_at = _cache.generation, time.monotonic()
        principal = _read(digest)
        if principal is None:
            _cache.put_unknown(digest)
            raise Unauthenticated("the token is unknown, revoked or expired")
        if _cache.put(digest, principal, read_at=read_at, generation=generation):
            _note_used([principal])
            return principal


def _note_used(principals: Iterable[Principal]) -> None:
    """Tokens that are used now: one that is asked about, and those of open sockets and polls, which are asked for together."""
    now = clock.wall()
    with _used_mutex:
        _used.update((int(p.owner.partition(":")[2]), now) for p in principals)


def _read(digest: str) -> Principal | None:
    try:
        token = _valid().filter(sha256=digest).first()
    except Error as error:
        raise Unavailable("the tokens cannot be read") from error
    return None if token is None else _principal(token)


def _valid() -> QuerySet[Token]:
    alive = Q(expires_at=None) | Q(expires_at__gt=clock.wall())
    return Token.objects.filter(alive, revoked_at=None).prefetch_related("grants")


def _principal(token: Token) -> Principal:
    expires_at = None if token.expires_at is None else clock.from_datetime(token.expires_at)
    principal = Principal(token.name, token.owner, permits=users.permits_of(token.grants.all()), expires_at=expires_at)
    principal.account = token.created_by
    return principal


def _tokens_now(owners: Iterable[str]) -> dict[str, Principal]:
    ids = [int(owner.partition(":")[2]) for owner in owners]
    chunks = (ids[n : n + _AT_A_TIME] for n in range(0, len(ids), _AT_A_TIME))
    return {token.owner: _principal(token) for chunk in chunks for token in _valid().filter(pk__in=chunk)}


def _stands(principal: Principal, tokens: dict[str, Principal]) -> bool:
    kind = principal.owner.partition(":")[0]
    if kind == "system":
        return True
    now = tokens.get(principal.owner) if kind == "token" else users.current(principal)
    return now is not None and now.same_powers(principal)


def _tell(owner: str) -> None:
    _cache.forget(owner)  # again: between the first time and the commit others still read it as valid
    for listener in tuple(_listeners):
        listener(owner)
