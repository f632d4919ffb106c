"""The committer: one thread and connection that runs whatever verbs are waiting as one transaction.

A lone call commits at once; while one batch commits the next gathers, so a crowd shares an fsync. Each caller gets its own
result or error, after the commit returned. The committer knows no verb.

- A verb that raises before it wrote anything fails by itself. One that raises later rolls the batch back, and every call
  is then run in a transaction of its own.
- A transaction that cannot begin or commit answers every call with an error, none with a result; then the connection is
  opened anew, since what it believes to be on disk can no longer be trusted.
- Where others were in the way (a deadlock), or the connection was lost before the commit, the batch is run once more as it is.
- Where the disk was full, room is made and every call is run once more by itself: most write less than the one that failed.
- Calls for the same may be run as one, whoever they come from (``storage.calls``), each with its own answer.
- Where callers come as a crowd (``quiet``), a batch waits a moment for the rest of it.
- The inbox is bounded in calls and bytes: beyond it ``submit`` raises Unavailable, and ``crowded`` tells faces to stop reading.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from itertools import chain
from typing import Any

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections

from brokerweb.core.errors import BrokerError, Internal, StoreFull, Unavailable
from brokerweb.storage import damage, disk
from brokerweb.storage.base import Dialect, Failure
from brokerweb.storage.calls import Call, Unit, in_order, run, units
from brokerweb.storage.dedicated import dedicate
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.handover import HandOver
from brokerweb.storage.lookups import Lookups
from brokerweb.storage.quiet import Quiet
from brokerweb.storage.transaction import Transaction, transaction

log = logging.getLogger(__name__)

MAX_CALLS, MAX_COST = 10_000, 64 * 1024 * 1024  # of the inbox; a call costs the bytes it holds
CROWDED = 0.5  # of either, at which faces stop reading
BATCH_CALLS, BATCH_COST, BATCH_SECONDS = 512, 8 * 1024 * 1024, 0.05
READERS = 1.0  # seconds that a full disk's log waits for those who read an old state of it, before it is filled anew
PATIENCE = 0.002  # seconds that a batch waits for the rest of a crowd
WARY = 16  # batches that wait for every answer, after one that did not and had to be run again
PAUSE = 0.1  # seconds before a connection that could not be opened is tried again
OF_THE_STORE = (Failure.OTHER, Failure.REFUSED, Failure.LOST)
OF_THE_DATA = ("IntegrityError", "DataError")  # say nothing about the store; by name, since every driver has its own

Deliver = Callable[[list[Call]], None]


class _RedoSeparatelyError(Exception):
    """A verb failed after it had written: the batch cannot be kept."""


class Common:
    """What the committers of a process have in common: how much waits for them, whether the loop is quiet, how commits fare.

    ``lock`` is held by whoever hands a call in, until it is where it is to be.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.quiet = Quiet()
        self.last_error: BrokerError | None = None  # why the last commit failed; None again after one that wrote
        self._calls = self._cost = 0
        self._closed = False

    @property
    def crowded(self) -> bool:
        return self._calls > MAX_CALLS * CROWDED or self._cost > MAX_COST * CROWDED

    def take(self, call: Call) -> None:
        """One more waits; the lock is held. Raises Unavailable when there is no room, or they are closed."""
        if self._closed or self._calls >= MAX_CALLS or (self._calls and self._cost + call.cost > MAX_COST):
            raise Unavailable("The broker is stopping." if self._closed else "The broker has too much to write.")
        self._calls += 1
        self._cost += call.cost

    def give(self, batch: list[Call]) -> None:
        """These wait no more."""
        with self.lock:
            self._calls -= len(batch)
            self._cost -= sum(call.cost for call in batch)

    def close(self) -> None:
        """None comes any more."""
        with self.lock:
            self._closed = True


class Committer:
    """Start it, submit calls from any thread, stop it; what was submitted before the stop is still run."""

    def __init__(
        self,
        deliver: Deliver,
        *,
        using: str = DEFAULT_DB_ALIAS,
        handover: HandOver | None = None,
        closing: Callable[[Transaction], None] | None = None,
        name: str = "committer",
        common: Common | None = None,
        about: Callable[[Call], object] | None = None,
    ) -> None:
        """``closing`` is a batch's last verb: where it fails, the calls are kept and it is not.

        Where there are several, here or in other processes, each has a ``name``, ``common`` is of all here, and calls are run in
        the order of what they are ``about``.
        """
        self._about = about
        self._deliver, self._using, self._handover, self._closing = deliver, using, handover, closing
        self._inbox: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._common = common or Common()
        self.quiet = self._common.quiet
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._prepared: Any = None  # the driver's connection that the dialect has made the committer's
        self._unreachable: Exception | None = None  # why there is none
        self._wary = 0  # batches that wait for every answer
        self._lookups = Lookups()
        self.batches = self.calls = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Run what was submitted, then end the thread. Safe to call twice."""
        self._common.close()
        with self._common.lock:
            already, self._stopping = self._stopping, True
        if not already:
            self._inbox.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def crowded(self) -> bool:
        return self._common.crowded

    @property
    def last_error(self) -> BrokerError | None:
        return self._common.last_error

    def submit(self, call: Call) -> None:
        """Queue a call. Calls of one thread run in the order they were submitted. Raises Unavailable when full or stopping."""
        with self._common.lock:
            self._common.take(call)
            self._inbox.put(call)

    def put(self, call: Call) -> None:
        """Queue a call that the bounds have taken already, as long as it has not been stopped."""
        self._inbox.put(call)

    # The thread

    def _run(self) -> None:
        dedicate(self._using)
        connection = connections[self._using]
        try:
            while (batch := self._gather()) is not None:
                self._commit(batch)
                if self._unreachable is not None:
                    time.sleep(PAUSE)
            self._save_room()
        finally:
            connection.close()

    def _prepare(self) -> None:
        """Make the connection the committer's, also when it is a new one after an error."""
        damage.refuse()  # before a connection is opened, which would change the files
        connection = connections[self._using]
        if connection.connection is self._prepared and self._prepared is not None:
            return
        try:
            connection.ensure_connection()
            self._dialect.prepare(connection.connection)
        except Exception as error:
            self._unreachable = error
            raise
        self._prepared, self._unreachable = connection.connection, None

    def _gather(self) -> list[Call] | None:
        """What is waiting, within the bounds of a batch; waits when there is nothing, and for the rest of a crowd."""
        call = self._inbox.get()
        if call is None:
            return None
        self.quiet.wait(PATIENCE)
        batch, cost = [call], call.cost
        while len(batch) < BATCH_CALLS and cost < BATCH_COST:
            try:
                call = self._inbox.get_nowait()
            except queue.Empty:
                break
            if call is None:
                self._inbox.put(None)  # run this batch first
                break
            batch.append(call)
            cost += call.cost
        return batch

    @property
    def _dialect(self) -> Dialect:
        return dialect_of(connections[self._using])

    def _settle_accounts(self, batch: list[Call]) -> None:
        self._common.give(batch)
        self.batches += 1
        self.calls += len(batch)
        for call in batch:
            if call.direct:
                call.done(call)
        waiting = [call for call in batch if not call.direct]
        if waiting:
            self._deliver(waiting)

    def _commit(self, batch: list[Call]) -> None:
        """Run the batch in as few transactions as its time allows; calls are answered before the next one commits,
        so that what it hands over cannot overtake what these have leased.
        """
        left = units(batch) if self._about is None else in_order(units(batch), self._about)
        while left:
            done = self._try_together(left)
            if done == 0:
                for call in chain.from_iterable(left):
                    if self._unreachable is None:
                        self._run_alone(call)
                    else:
                        self._fail(call, self._unreachable)
                    self._spare_room()
                    self._settle_accounts([call])
                return
            self._spare_room()
            self._settle_accounts(list(chain.from_iterable(left[:done])))
            left = left[done:]

    def _try_together(self, batch: list[Unit], *, again: bool = False) -> int:
        """One transaction with as many units as fit its time; how many, or 0 when it failed and all calls must be run alone."""
        tx: Transaction | None = None
        done, running = 0, False
        try:
            self._prepare()
            foreseeing = not again and self._foresees()
            with transaction(self._using, self._handover, lookups=self._lookups, foreseeing=foreseeing) as tx:
                running, deadline = True, time.monotonic() + BATCH_SECONDS
                for unit in batch:
                    self._run_in(tx, unit)
                    done += 1
                    if time.monotonic() > deadline:
                        break
                else:
                    self._close(tx)
                running = False
        except Exception as error:
            if tx is not None:
                tx.abandon()
            if self._ran_out(error, committing=not running):
                return self._again(batch)
            failure = self._dialect.failure(error)
            before_commit = running or (failure is Failure.LOST and tx is not None and not tx.committing)
            kept_nothing = before_commit or failure.certain or isinstance(error, IntegrityError)
            if kept_nothing and not again and self._passes(failure):
                self._again(batch)
                return self._try_together(batch, again=True)
            if kept_nothing and failure is not Failure.LOST:
                return self._undo(batch, error)
            return self._refuse(batch[:done] or batch, error)
        self._committed(tx)
        return done

    def _foresees(self) -> bool:
        """Whether the next batch goes on with answers that it has yet to get; not for a while after one that was another."""
        self._wary = max(0, self._wary - 1)
        return self._wary == 0

    def _passes(self, failure: Failure) -> bool:
        """Whether the same may succeed at once; on another connection, where this one is lost."""
        if failure is Failure.LOST:
            self._reopen()
        self._wary = WARY
        return failure in {Failure.LOST, Failure.CONFLICT}

    def _undo(self, batch: list[Unit], error: Exception) -> int:
        """A verb spoiled the transaction: 0, so that each call is run alone; one that was alone has failed."""
        again = isinstance(error, _RedoSeparatelyError) or self._dialect.garbled(error)
        if len(batch) == 1 and len(batch[0]) == 1 and not again:
            self._fail(batch[0][0], error)
            return 1
        return self._again(batch)

    def _again(self, batch: list[Unit]) -> int:
        for call in chain.from_iterable(batch):
            call.result = call.error = None
        return 0

    def _refuse(self, batch: list[Unit], error: Exception) -> int:
        """The transaction did not begin, or did not commit: nobody is told that anything happened."""
        for call in chain.from_iterable(batch):
            self._fail(call, error)
        if batch and not isinstance(batch[-1][-1].error, Internal):
            self._common.last_error = batch[-1][-1].error
        self._reopen()
        return len(batch)

    def _ran_out(self, error: Exception, *, committing: bool) -> bool:
        """Whether the disk was full, which leaves nothing of a transaction, not even where its commit said so. Room is made."""
        if not isinstance(self._translated(error), StoreFull):
            return False
        if committing:
            self._reopen()
        place = disk.of(self._using)
        place.ran_out()
        self._checkpoint(truncate=place.log_bloated, patience=READERS)
        return True

    def _spare_room(self) -> None:
        """Where the disk is full, the log is taken into the file at once, and takes no more room than it has."""
        place = disk.of(self._using)
        if place.strained or place.log_bloated or place.log_heavy:
            self._checkpoint(truncate=place.log_bloated)

    def _save_room(self) -> None:
        """At the end: on a full disk what the log has becomes the reserve, with which the next start begins."""
        place = disk.of(self._using)
        if place.tight and not place.whole:
            self._checkpoint(truncate=True, patience=READERS)
            place.keep_what_is_left()

    def _checkpoint(self, *, truncate: bool, patience: float = 0) -> None:
        connection, place = connections[self._using], disk.of(self._using)
        try:
            self._prepare()
            dialect, raw = dialect_of(connection), connection.connection
            if place.low:
                place.make_way(place.grows_by(dialect.sizes(raw)))
            place.growth = 0
            dialect.checkpoint(raw, truncate=truncate, patience=patience)
        except Exception as error:  # there is no room to do it in: what fails for want of that is told
            damage.look_at(error)
            self._reopen()

    def _reopen(self) -> None:
        try:
            connections[self._using].close()
        except Exception:
            log.exception("closing the connection failed")

    def _run_in(self, tx: Transaction, unit: Unit) -> None:
        writes, handed = tx.writes, len(tx.outcome.handed)
        try:
            run(tx, unit)
        except BrokerError as error:
            if tx.writes != writes or len(tx.outcome.handed) != handed:
                raise _RedoSeparatelyError from error
            for call in unit:
                call.error = error

    def _close(self, tx: Transaction) -> None:
        if self._closing is None:
            return
        try:
            self._closing(tx)
        except Exception as error:
            if tx.foreseeing and self._dialect.failure(error) is Failure.CONFLICT:
                raise  # the batch is run again, and waits for every answer
            log.warning("the last verb of a batch failed; its calls are run without it", exc_info=error)
            raise _RedoSeparatelyError from error

    def _run_alone(self, call: Call, *, lenient: bool = False, again: bool = False) -> None:
        tx: Transaction | None = None
        try:
            self._prepare()
            with transaction(self._using, self._handover, lookups=self._lookups) as tx:
                run(tx, [call])
            self._committed(tx)
        except Exception as error:
            if tx is not None:
                tx.abandon()
            if not lenient and self._dialect.garbled(error):
                with self._dialect.lenient(self._prepared):
                    return self._run_alone(call, lenient=True)
            if not again and self._dialect.failure(error) is Failure.CONFLICT:
                return self._run_alone(call, again=True)
            self._fail(call, error)
            if call.error is not error:
                self._reopen()

    def _committed(self, tx: Transaction) -> None:
        """A commit of nothing also succeeds where nothing can be written, and says nothing about the store."""
        if self._common.last_error is not None and tx.wrote():
            self._common.last_error = None

    def _fail(self, call: Call, error: Exception) -> None:
        call.result, call.error = None, self._meaning(error)
        of_the_store = call.error is not error and not isinstance(call.error, Internal)
        if of_the_store and self._dialect.failure(error) in OF_THE_STORE and type(error).__name__ not in OF_THE_DATA:
            self._common.last_error = call.error
            place = disk.of(self._using)
            if place.look() and place.low:  # also where the index of the log found no room, which SQLite calls an I/O error
                place.ran_out()

    def _meaning(self, error: Exception) -> BrokerError:
        if isinstance(error, BrokerError):
            return error
        known = self._translated(error)
        if known is None:
            log.error("a verb failed", exc_info=error)
            internal = Internal()
            internal.__cause__ = error  # for who tells of it anew
            return internal
        log.warning("the store refused a commit: %s", error)
        return known

    def _translated(self, error: Exception) -> BrokerError | None:
        return dialect_of(connections[self._using]).translate(error)
