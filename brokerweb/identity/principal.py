"""Who is asking, and what they may do. On the hot path: a question asked before is one dictionary lookup."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from brokerweb.core.errors import Forbidden
from brokerweb.identity.grants import ADMIN, CONSUME, MANAGE, MONITOR, PUBLISH, VERBS, Permit

_MEMO = 4096  # answers kept per principal
_LONGEST_NAME = 200
_ANY = "any"  # stands for a verb in the memo
_CHANGING = (PUBLISH, CONSUME, MANAGE)


class Principal:
    """A token, a signed-in user or the broker itself, as of one reading of the store.

    ``name`` is shown as publisher, ``by`` and actor; ``owner`` is ``token:ID`` or ``user:ID`` and identifies.
    ``admin`` is true for superusers and for the verb admin on ``*``. A principal never changes: who must notice a
    revocation asks ``tokens.still_valid``. One that is ``read_only`` sees what its grants show, and may change nothing.
    """

    __slots__ = ("_memo", "account", "admin", "expires_at", "name", "owner", "permits", "read_only", "session_key")

    def __init__(
        self,
        name: str,
        owner: str,
        *,
        permits: Iterable[Permit] = (),
        superuser: bool = False,
        expires_at: int | None = None,
        read_only: bool = False,
    ) -> None:
        self.name, self.owner, self.expires_at = name, owner, expires_at
        self.permits = (Permit(None, "*", frozenset({ADMIN})),) if superuser else tuple(permits)
        self.admin = any(permit.of_everything and ADMIN in permit.verbs for permit in self.permits)
        self.account = owner  # who is behind it: a token's is its maker, so that a socket may go on with a newer token
        self.session_key: str | None = None  # of a browser's session, which may end before the user does
        self.read_only = read_only
        self._memo: dict[tuple[str, str, str], bool] = {}

    def may(self, verb: str, kind: str, name: str) -> bool:
        """Whether a grant gives ``verb`` on that name, be it there or not; admin gives every verb."""
        try:
            return self._memo[verb, kind, name]
        except KeyError:
            return self._decide(verb, kind, name)

    def may_all(self, verb: str) -> bool:
        """Whether a grant gives ``verb`` on every name there can be, of every kind."""
        if self.read_only and verb in _CHANGING:
            return False
        return any(permit.of_everything and permit.gives(verb) for permit in self.permits)

    def allowing(self, verb: str, kind: str) -> Callable[[str], bool]:
        """``may`` for thousands of names of a kind, which are not asked about one by one where all are given."""
        return _every_name if self.may_all(verb) else partial(self.may, verb, kind)

    def require(self, verb: str, kind: str, name: str) -> None:
        """Raise Forbidden unless ``may``; to be asked before the name is looked up."""
        if not self.may(verb, kind, name):
            if verb in _CHANGING:
                self.require_changes()
            raise Forbidden(f"{verb} on {kind}:{name[:_LONGEST_NAME]} is not among your grants")

    def require_changes(self) -> None:
        """Raise Forbidden where this one may only look."""
        if self.read_only:
            raise Forbidden(
                "The broker is read-only for people: a session may look, and change nothing. Programs with tokens go on."
            )

    def holds_any(self, kind: str, name: str) -> bool:
        """Whether any verb is held on that name: without one it is 403 whether it exists or not, and is not listed."""
        return self.may(_ANY, kind, name)

    def require_admin(self) -> None:
        """Raise Forbidden unless this is an administrator of everything."""
        if not self.admin:
            raise Forbidden("this needs the verb admin on '*'")

    @property
    def monitors(self) -> bool:
        """Whether figures may be read at all: the verb monitor, which shows those of the names it is granted on."""
        return any(permit.gives(MONITOR) for permit in self.permits)

    @property
    def delegates(self) -> bool:
        """Whether tokens may be made at all: the verb admin, on whatever names."""
        return any(ADMIN in permit.verbs for permit in self.permits)

    def same_powers(self, other: Principal) -> bool:
        """Whether both are the same owner with the same grants and end."""
        mine, theirs = (self.owner, set(self.permits), self.expires_at), (other.owner, set(other.permits), other.expires_at)
        return mine == theirs

    def _decide(self, verb: str, kind: str, name: str) -> bool:
        if verb != _ANY and verb not in VERBS:
            raise ValueError(f"{verb!r} is no verb of grants")
        if len(name) > _LONGEST_NAME:  # no name at all; and must not fill the memory
            return self.admin
        if self.admin:  # of everything, and every verb: nothing to look for, or to remember
            return not (self.read_only and verb in _CHANGING)
        held = () if self.read_only and verb in _CHANGING else self.permits
        allowed = any((verb == _ANY or permit.gives(verb)) and permit.matches(kind, name) for permit in held)
        if len(self._memo) >= _MEMO:
            self._memo.clear()
        self._memo[verb, kind, name] = allowed
        return allowed

    def __repr__(self) -> str:
        return f"<Principal {self.owner}>"


def _every_name(name: str) -> bool:
    return True


def broker_itself(name: str = "broker") -> Principal:
    """The principal of commands and of first start: whoever holds the shell holds the data."""
    return Principal(name, "system", superuser=True)
