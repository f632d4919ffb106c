"""The members of consumer groups in this process, and how they learn what changed in their groups."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.delivery.groups.member import view
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import membership

if TYPE_CHECKING:
    from brokerweb.delivery.groups.member import GroupSubscription

log = logging.getLogger(__name__)
RETRY = 0.5  # seconds after a read that failed


class Groups:
    """A look at a group serves all of its members here; while one is under way the next waits for it."""

    def __init__(self) -> None:
        self._members: dict[int, set[GroupSubscription]] = {}
        self._looking: dict[int, bool] = {}  # group id -> whether to look once more after this
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, member: GroupSubscription) -> None:
        self._members.setdefault(member.group_id, set()).add(member)
        self.refresh([member.group_id])

    def leave(self, member: GroupSubscription) -> None:
        members = self._members.get(member.group_id)
        if members is not None:
            members.discard(member)
            if not members:
                del self._members[member.group_id]

    def refresh(self, group_ids: Iterable[int]) -> None:
        """Something changed in these groups."""
        for group_id in group_ids:
            if group_id in self._looking:
                self._looking[group_id] = True
            elif group_id in self._members:
                self._looking[group_id] = False
                task = asyncio.get_running_loop().create_task(self._look(group_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def refresh_all(self) -> None:
        self.refresh(list(self._members))

    async def beat(self) -> None:
        """Say that the members here are alive; one that is a member no more learns it."""
        for group_id, members in list(self._members.items()):
            due = [member.member for member in members if member.beat_due()]
            if due and await aperform(membership.beat, group_id, due):
                self.refresh([group_id])

    async def _look(self, group_id: int) -> None:
        try:
            await self._update(group_id)
        except BrokerError as error:
            log.warning("consumer group %s: %s", group_id, error)
            asyncio.get_running_loop().call_later(RETRY, self.refresh, [group_id])
        finally:
            if self._looking.pop(group_id, False):
                self.refresh([group_id])

    async def _update(self, group_id: int) -> None:
        members = tuple(self._members.get(group_id, ()))
        if not members:
            return
        try:
            now = await aread(view, group_id)
        except NotFound as error:
            for member in _still(members):
                member.ended(member, error)
            return
        for member in _still(members):
            member.update(now)


def _still(members: Iterable[GroupSubscription]) -> Iterator[GroupSubscription]:
    """The members that were here when the look began and still are. One that came since may not be in what was read: the next
    look is for it."""
    return (member for member in members if member.open)
