"""The members of consumer groups in this process, and how they learn what changed in their groups."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.delivery.groups.member import GroupSubscription, view
from brokerweb.delivery.streams.tails import READ_RETRY, Tails
from brokerweb.delivery.verbs import Verbs
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import membership

log = logging.getLogger(__name__)


class Groups:
    """One read of a group is for all of its members here; while one is under way the next waits for it."""

    def __init__(self, tails: Tails, verbs: Verbs) -> None:
        self._tails, self._verbs = tails, verbs
        self._members: dict[int, set[GroupSubscription]] = {}
        self._reading: dict[int, bool] = {}  # group id -> whether to read it once more after this
        self._tasks: set[asyncio.Task[None]] = set()

    def member(self, sub: str, stream: str, credit: int) -> GroupSubscription:
        """One that has yet to join."""
        return GroupSubscription(self._tails, sub, stream, credit, verbs=self._verbs, on_stop=self.leave)

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
            if group_id in self._reading:
                self._reading[group_id] = True
            elif group_id in self._members:
                self._reading[group_id] = False
                task = asyncio.get_running_loop().create_task(self._read(group_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def refresh_all(self) -> None:
        self.refresh(list(self._members))

    async def look_up(self) -> None:
        """Find out, by one statement for all, which groups have changed without a word."""
        if not self._members:
            return
        known = {group_id: {(m.generation, m.session_timeout) for m in members} for group_id, members in self._members.items()}
        now = {group_id: {tuple(told)} for group_id, *told in await aread(membership.generations_among, list(known))}
        self.refresh(group_id for group_id, told in known.items() if told != now.get(group_id))

    async def beat(self) -> None:
        """Say that the members here are alive; one that is a member no more learns it."""
        for group_id, members in list(self._members.items()):
            due = {member.member: member for member in members if member.beat_due()}
            try:
                if due and await aperform(membership.beat, group_id, list(due)):
                    self.refresh([group_id])
            except BrokerError:
                for member in due.values():
                    member.beat_missed()
                raise

    async def _read(self, group_id: int) -> None:
        try:
            await self._update(group_id)
        except BrokerError as error:
            log.warning("consumer group %s: %s", group_id, error)
            asyncio.get_running_loop().call_later(READ_RETRY, self.refresh, [group_id])
        finally:
            if self._reading.pop(group_id, False):
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
    """The members that were here when the read began and still are. One that came since may not be in what was read: the next
    read is for it."""
    return (member for member in members if member.open)
