"""Several processes that serve on one socket: started, started anew when they die, and stopped together.

The parent has bound the socket and serves nobody; each child is a node of its own. Children end when the parent's end of a pipe
closes, however that came: a parent that is killed leaves no child behind.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from django.db import connections

from brokerweb.core.backoff import Backoff
from brokerweb.core.clock import SECOND
from brokerweb.servers import lifecycle

AGAIN = Backoff(initial=0.5, maximum=30)  # seconds before a worker that died is started anew
SETTLED = 60.0  # seconds after which a worker that dies counts as one that ran
HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

log = logging.getLogger(__name__)


@dataclass
class _Worker:
    """One place among the workers, and who has it."""

    number: int
    pid: int | None = None
    started_at: float = 0.0
    due_at: float = 0.0  # when it is started, while nobody has it
    deaths: int = 0  # in a row


class Workers:
    """``run`` serves in ``n`` processes until a signal; ``serve`` is what each does."""

    def __init__(self, n: int, serve: Callable[[], None], *, close: Callable[[], None]) -> None:
        """``close`` lets go of the socket: from then on nobody is accepted any more."""
        self._serve, self._close = serve, close
        self._workers = [_Worker(number) for number in range(1, n + 1)]
        self._signals = 0
        self._stopping = False
        self._status = 0

    def run(self) -> int:
        """The exit status: 0 when every worker ended well after the signal."""
        connections.close_all()  # a connection serves one process
        gc.freeze()  # what is there is shared for good: no collection writes to it
        heard, wake = os.pipe()
        self._lifeline, held = os.pipe()
        for end in (heard, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, self._note)
        self._held = held
        while not (self._stopping and all(worker.pid is None for worker in self._workers)):
            self._start_due()
            select.select([heard], [], [], self._idle())
            with contextlib.suppress(BlockingIOError):
                os.read(heard, 4096)
            self._reap()
            self._obey()
        return self._status

    def _note(self, number: int, frame: object) -> None:
        if number != signal.SIGCHLD:
            self._signals += 1

    def _idle(self) -> float | None:
        """Seconds until the next worker is due; None for none."""
        due = [worker.due_at for worker in self._workers if worker.pid is None]
        return max(0.0, min(due) - time.monotonic()) if due and not self._stopping else None

    def _obey(self) -> None:
        """The first signal is passed on; a second ends everything where it stands, as it does with one process."""
        if self._signals and not self._stopping:
            self._stopping = True
            self._close()
            os.close(self._held)
        if self._signals > 1:
            for worker in self._workers:
                if worker.pid is not None:
                    os.kill(worker.pid, signal.SIGKILL)
            self._status = self._status or 128 + signal.SIGTERM

    def _start_due(self) -> None:
        for worker in self._workers:
            if worker.pid is None and not self._stopping and worker.due_at <= time.monotonic():
                worker.started_at = time.monotonic()
                worker.pid = os.fork() or self._be_worker(worker)

    def _be_worker(self, worker: _Worker) -> NoReturn:
        """The child's whole life."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in HEARD:
                signal.signal(number, signal.SIG_DFL)
            os.close(self._held)
            os.setpgid(0, 0)  # Ctrl-C is for the parent, which passes it on
            threading.Thread(target=self._follow_parent, name="parent", daemon=True).start()
            self._serve()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            log.exception("worker %d ends", worker.number)
        finally:
            os._exit(status)

    def _follow_parent(self) -> None:
        os.read(self._lifeline, 1)  # nobody writes: it returns when the parent lets go
        lifecycle.leave()

    def _reap(self) -> None:
        for worker in self._workers:
            if worker.pid is None:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                worker.pid = None
                self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: _Worker, status: int) -> None:
        if self._stopping:
            self._status = self._status or (status if status >= 0 else 128 - status)
            return
        ran = time.monotonic() - worker.started_at
        worker.deaths = 1 if ran > SETTLED else worker.deaths + 1
        delay = AGAIN.delay(worker.deaths) / SECOND
        worker.due_at = time.monotonic() + delay
        how = f"status {status}" if status >= 0 else f"signal {-status}"
        log.error("worker %d ended with %s after %.1f s; another takes its place in %.1f s", worker.number, how, ran, delay)
