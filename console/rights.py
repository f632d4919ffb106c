"""What the person may do, in the words templates ask with: buttons are hidden, not refused on click; and what they may browse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from brokerweb.core.errors import Forbidden
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue
from brokerweb.streams.models import Stream


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done with one queue, stream or topic: ``rights.manage`` and so on; ``missing`` names what is not held."""

    principal: Principal
    name: str
    kind: str = "queue"

    def may(self, verb: str) -> bool:
        return self.principal.may(verb, self.kind, self.name)

    @property
    def publish(self) -> bool:
        return self.may("publish")

    @property
    def manage(self) -> bool:
        return self.may("manage")

    @property
    def missing(self) -> list[str]:
        return [verb for verb in ("publish", "manage") if not self.may(verb)]


def may_create(principal: Principal, kind: str = "queue") -> bool:
    """Whether there is any name under which the person may declare a queue, or a stream or topic."""
    if principal.read_only:
        return False
    return any(permit.gives("manage") and permit.kind in (None, kind) for permit in principal.permits)


def require_create(principal: Principal, kind: str) -> None:
    """Raise Forbidden unless ``may_create``: nobody fills in a form that no name would get accepted."""
    if not may_create(principal, kind):
        principal.require_changes()
        raise Forbidden(f"manage on a {kind} is not among your grants")


def visible(principal: Principal, kind: str = "queue") -> Callable[[str], bool]:
    """Which names the person may browse."""
    return principal.allowing("browse", kind)


class Known(NamedTuple):
    """A queue without its settings: of these there may be thousands."""

    pk: int
    name: str
    paused_at: object


def browsable_queues(principal: Principal) -> list[Known]:
    """Every queue the person may browse, by name."""
    may = visible(principal)
    found = Queue.declared.order_by("name").values_list("pk", "name", "paused_at")
    return [Known(*row) for row in found if may(row[1])]


def browsable_streams(principal: Principal) -> list[Stream]:
    """Every stream the person may browse, by name."""
    may = visible(principal, "stream")
    return [stream for stream in Stream.objects.filter(deleted_at=None).order_by("name") if may(stream.name)]
