"""An act on many messages of any queues as one job: redrive, move, purge, reschedule; perhaps tried with the first ones.

The job knows its destinations by their queues' ids, and acts in each on what existed when it was made, in the order of ids.
A chunk commits together with how far the job has come, with what it could not do, and with what undoes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from brokerweb.core import clock, events
from brokerweb.core.errors import BrokerError, Conflict, NotFound
from brokerweb.jobs import bulk, control, searched
from brokerweb.jobs.bulk_request import TAKES, BulkRequest
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.control import NewJob
from brokerweb.jobs.destinations import Destination
from brokerweb.jobs.failures import Failed
from brokerweb.jobs.models import Job
from brokerweb.queues import control as queues
from brokerweb.queues import filters, kept, selection, standing, transfers
from brokerweb.queues.bulk import LOOKED_AT
from brokerweb.queues.definitions import Definition, find, find_by_id
from brokerweb.queues.filters import MAX_ID, MessageFilter
from brokerweb.queues.kept import End
from brokerweb.queues.moves import in_one_turn, take_out
from brokerweb.queues.selection import Found, Span
from brokerweb.queues.standing import Standing
from brokerweb.queues.states import State
from brokerweb.queues.transfers import Transfer
from brokerweb.storage.transaction import Transaction

AT_A_TIME = 50  # destinations of one chunk, where they have little
TRIED_FOR = clock.seconds(86_400)  # how long the first are waited for
LOOK_AGAIN = clock.seconds(1)


def create(tx: Transaction, asked: BulkRequest, destinations: Sequence[Destination], *, by: str, total: int | None = None) -> Job:
    """A job that does what is asked to what is there now. Raises NotFound, Invalid."""
    if asked.to is not None:
        find(tx, asked.to)
    params = {
        "action": asked.action,
        "select": {each.label: bulk.as_params(asked.filter_of(each.label)) for each in destinations},
        "queues": [(each.label, each.queue_id) for each in destinations],  # in order: PostgreSQL keeps none of an object's names
        "due_at": None if asked.due_at is None else clock.rfc3339(asked.due_at),
        "first": asked.first,
    }
    newest = tx.value(selection.Q.newest_id)
    cursor = {"at": 0, "after": 0, "last": newest, "started": tx.now, "beyond": newest + 1}
    query = None if asked.select.q is None else asked.query
    if query is not None:
        params |= {"select": {}, "now": tx.wall}
    targets = [f"{each.kind}:{each.name}" for each in destinations]
    to = None if asked.to is None else f"queue:{asked.to}"
    new = NewJob(asked.action, targets[0], params, cursor, to, asked.rate, total, targets, query)
    return control.create(tx, new, by=by)


def is_one(job: Job) -> bool:
    """Whether a job is an act on many destinations: those of one queue are of ``brokerweb.jobs.bulk``."""
    return "queues" in job.params


def chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next messages, or the next look at the first that were tried."""
    if job.cursor.get("tried"):
        return _look_at_first(tx, job)
    return _Part(tx, job).run(limit)


class _Part:
    """What one chunk does."""

    def __init__(self, tx: Transaction, job: Job) -> None:
        self.tx, self.job, self.action = tx, job, job.params["action"]
        self.queues: list[tuple[str, int]] = job.params["queues"]
        self.at, self.after = job.cursor["at"], job.cursor["after"]
        self.to = None if job.to is None else find(tx, job.to.partition(":")[2])
        self.transfers: list[Transfer] = []
        self.failed: list[Failed] = []
        self.done = 0

    def run(self, limit: int) -> Chunk:
        first = self.job.params["first"] if self.job.cursor.get("tried") is None else None
        limit = limit if first is None else min(limit, max(1, first - self.job.done))
        for _ in range(AT_A_TIME):
            one = self._one if self.job.query is None else self._found_before
            if self.at == len(self.queues) or not one(limit - self.done):
                break
        transfers.note(self.tx, self.job.pk, self.transfers)
        cursor = self.job.cursor | {"at": self.at, "after": self.after}
        finished = self.at == len(self.queues)
        if first is not None:
            tried = [*cursor.get("first", []), *([t.target_id, t.message_id, t.was.redrives] for t in self.transfers)]
            cursor |= {"first": tried}
            if tried and (finished or len(tried) >= first):
                return self._chunk(
                    cursor | {"tried": True, "since": self.tx.now}, state="trying", due_at=self.tx.now + LOOK_AGAIN
                )
        return self._chunk(cursor, finished=finished)

    def _chunk(self, cursor: dict[str, Any], **more: Any) -> Chunk:
        error = self.failed[-1].error if self.failed else None
        return Chunk(cursor, self.done, len(self.failed), error=error, items=self.failed, **more)

    def _one(self, room: int) -> bool:
        """Act in the destination that it has come to; whether there is room for the next one, too."""
        label, queue_id = self.queues[self.at]
        queue = find_by_id(self.tx, queue_id)
        chosen = filters.parse(self.job.params["select"][label])
        following: int | None = None
        if queue is not None:  # else it was deleted, and another of its name is another
            found = self._found(queue, chosen, room)
            self._act(label, queue, chosen, found)
            following = found.after
        if following is not None:
            self.after = following
            return False
        self.at, self.after = self.at + 1, 0
        return self.done < room

    def _found_before(self, room: int) -> bool:
        """Act on the next that the query has found, where it would find them now; whether there is room for more."""
        kept = dict(searched.items(self.tx, self.job, room))
        found = in_one_turn(self.tx, Found([(id, State.DEAD) for id in kept], None))
        if not found.messages:
            self.at = len(self.queues)
            return False
        ids = [id for id, _ in found.messages]
        labels = {queue_id: label for label, queue_id in self.queues}
        still = searched.finder().still(self.tx, searched.asked_of(self.job), searched.destinations_of(self.tx, self.job), ids)
        for queue_id, group in groupby(ids, key=lambda id: kept[id]):
            self._act_where_still(labels[queue_id], queue_id, list(group), still)
        searched.drop(self.tx, self.job, ids[-1])
        return False

    def _act_where_still(self, label: str, queue_id: int, ids: list[int], still: set[int]) -> None:
        queue = find_by_id(self.tx, queue_id)
        for id in ids:
            if queue is None or id not in still:
                why = "It is gone, or the query does not find it any more."
                self.failed.append(Failed(label, str(id), NotFound.code, why))
        if queue is not None:
            wanted = [id for id in ids if id in still]
            self._act(label, queue, MessageFilter(ids=tuple(wanted)), Found([(id, State.DEAD) for id in wanted], None))

    def _found(self, queue: Definition, chosen: MessageFilter, room: int) -> Found:
        span = Span(self.after, self.job.cursor["last"])
        if chosen.ids is None:
            return in_one_turn(self.tx, selection.find(self.tx.rows, queue.id, chosen, span, room, budget=LOOKED_AT))
        ids = [id for id in chosen.ids if id > span.after]  # those that are not there are to be told of
        return in_one_turn(self.tx, Found([(id, State.DEAD) for id in ids[:room]], ids[room - 1] if len(ids) > room else None))

    def _act(self, label: str, queue: Definition, chosen: MessageFilter, found: Found) -> None:
        there: list[tuple[int, Standing]] = []
        for id, _ in found.messages:
            was = standing.read(self.tx, queue.id, id)
            error = self._refusal(queue, id, was)
            if was is not None and error is None:
                there.append((id, was))
            elif error is not None and chosen.ids is not None:
                self.failed.append(Failed(label, str(id), error.code, error.detail))
        if self.action == "purge":
            self._purge(queue, chosen, there)
            return
        there.sort(key=lambda item: item[1].position if self.action == "move" else item[0])
        for id, was in there:
            try:
                # Of a key whose head has just been moved the next is not as it was.
                self._act_on(queue, id, standing.read(self.tx, queue.id, id) or was if queue.keyed else was)
                self.done += 1
            except (Conflict, NotFound) as error:
                self.failed.append(Failed(label, str(id), error.code, error.detail))

    def _refusal(self, queue: Definition, id: int, was: Standing | None) -> BrokerError | None:
        """Why the action is not for a message."""
        if was is None:
            return NotFound(f"There is no message {id} in it any more.")
        takes = TAKES[self.action]
        if was.state not in takes:
            names = " and ".join(state.name.lower() for state in sorted(takes))
            return Conflict(f"It is {State(was.state).name.lower()}: {self.action} takes {names} messages only.")
        if self.action == "move" and self.to is not None and self.to.id == queue.id:
            return Conflict("It is in that queue already.")
        return None

    def _purge(self, queue: Definition, chosen: MessageFilter, there: list[tuple[int, Standing]]) -> None:
        # Where blocked messages stay, one that follows its purged head must stay too: it became ready after the start.
        heads_only = queue.keyed and chosen.ids is None and State.BLOCKED not in chosen.states
        ready_until = self.job.cursor["started"] if heads_only else MAX_ID
        removed = take_out(
            self.tx, queue, [(id, State(was.state)) for id, was in there], End(kept.PURGED, self.tx.by), ready_until
        )
        self.tx.outcome.event(events.PURGED, queue.id, removed)
        self.done += removed

    def _act_on(self, queue: Definition, id: int, was: Standing) -> None:
        if self.action == "reschedule":
            queues.reschedule_found(self.tx, queue, id, deliver_at=clock.parse_rfc3339(self.job.params["due_at"]))
        else:
            self.transfers.append(transfers.put(self.tx, queue, self.to or queue, id, was))


# The first ones


def _look_at_first(tx: Transaction, job: Job) -> Chunk:
    """Go on if the first ones are settled, stop if one of them died, else look again."""
    cursor, first = job.cursor, job.cursor["first"]
    died, waiting = [], 0
    for target_id, id, redrives in first:
        row = standing.read(tx, target_id, id)
        if row is None:
            continue
        if row.state == State.DEAD or row.redrives > redrives + 1:
            died.append((id, row.last_error))
        else:
            waiting += 1
    if died:
        id, error = died[0]
        why = f" of: {error}" if error else ""
        return _stopped(job, f"{len(died)} of the first {len(first)} died again, message {id}{why}")
    if not waiting:
        going_on = cursor | {"tried": False, "first": []}
        return Chunk(going_on, 0, finished=cursor["at"] == len(job.params["queues"]))
    if tx.now > cursor["since"] + TRIED_FOR:
        return _stopped(job, f"{waiting} of the first {len(first)} {'was' if waiting == 1 else 'were'} not settled within a day.")
    return Chunk(cursor, 0, state="trying", due_at=tx.now + LOOK_AGAIN)


def _stopped(job: Job, why: str) -> Chunk:
    n = 0 if job.total is None else max(0, job.total - job.done - job.failed)
    left = f" {n} {'other is' if n == 1 else 'others are'} left as found." if n else ""
    return Chunk(job.cursor | {"tried": False}, 0, finished=True, state="failed", error=f"Stopped: {why.rstrip('.')}.{left}")
