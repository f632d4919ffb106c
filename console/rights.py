"""What the person may do, in the words templates ask with: buttons are hidden, not refused on click."""

from __future__ import annotations

from dataclasses import dataclass

from brokerweb.identity.principal import Principal


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done with one queue: ``rights.manage`` and so on; ``missing`` names what is not held."""

    principal: Principal
    queue: str

    def may(self, verb: str) -> bool:
        return self.principal.may(verb, "queue", self.queue)

    @property
    def publish(self) -> bool:
        return self.may("publish")

    @property
    def manage(self) -> bool:
        return self.may("manage")

    @property
    def missing(self) -> list[str]:
        return [verb for verb in ("publish", "manage") if not self.may(verb)]


def may_create(principal: Principal) -> bool:
    """Whether there is any name under which the person may declare a queue."""
    return any(permit.gives("manage") and permit.kind in (None, "queue") for permit in principal.permits)
