"""Three nodes on one PostgreSQL and one Valkey, and what stands before them: to its clients one broker, as ``Server`` is."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.clients import Rest, Socket
from tests.cluster_faults.line import Line
from tests.crash.dose import SHARE
from tests.eventually import eventually
from tests.postgres import Postgres
from tests.server import START_SECONDS, Server
from tests.stepper import VARIABLE
from tests.valkey import Valkey

NODES = 3
SKEW = 60.0  # seconds by which the clocks of the nodes' machines differ at most
LONGEST = 12.0 if SHARE else 4.0  # seconds a fault lasts at most: more than leases and sessions of these tests


class Node(Server):
    """One node, on a machine whose clock is wrong, with a wire of its own to the database."""

    program = ("-m", "tests.stepper")

    def __init__(self, folder: Path, number: int, postgres: Postgres, line: Line, environment: dict[str, str]) -> None:
        clock = folder / f"clock-{number}"
        clock.write_text(str(SKEW * (number - 1) / 2))
        super().__init__(folder / f"node-{number}", postgres=postgres, environment={**environment, VARIABLE: str(clock)})
        self.number, self.line = number, line


class Cluster:
    """``start``, ``rest``, ``socket``, ``log_tail`` and ``terminate`` are those of a ``Server``: each client gets some node."""

    def __init__(self, folder: Path, postgres: Postgres, seed: int) -> None:
        self.postgres, self.valkey = postgres, Valkey(folder)
        self.database = postgres.new_database()
        with postgres.connect() as connection:  # what the tests' servers do without: it loses commits at an immediate stop
            connection.execute(f"ALTER DATABASE {self.database} SET synchronous_commit = on")
        self.dice = random.Random(seed)
        self.nodes = [self._node(folder, number) for number in range(NODES)]
        self.out: set[int] = set()  # nodes that get no new clients, since they do not answer

    def _node(self, folder: Path, number: int) -> Node:
        line = Line(self.postgres.folder / ".s.PGSQL.5432")
        url = f"postgresql://tests@127.0.0.1:{line.port}/{self.database}"
        return Node(folder, number, self.postgres, line, {"DATABASE_URL": url, "REDIS_URL": self.valkey.url})

    # As one broker

    def start(self) -> Cluster:
        """Everything that is not there yet."""
        if self.valkey.process is None:
            self.valkey.start()
            for node in self.nodes:
                node.line.lay()
                node.start(ready=False)
            for node in self.nodes:
                node.wait_ready(NODES * START_SECONDS)
        return self

    def _some(self) -> Node:
        return self.dice.choice([node for node in self.nodes if node.number not in self.out] or self.nodes)

    def rest(self, timeout: float = 30) -> Rest:
        return self._some().rest(timeout)

    def socket(self) -> Socket:
        return self._some().socket()

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(f"--- node {node.number}\n{node.log_tail(lines)}" for node in self.nodes)

    def terminate(self) -> int:
        """All nodes at once; the highest status."""
        for node in self.nodes:
            os.kill(node.pid, signal.SIGTERM)
        return max(node.exit_status() for node in self.nodes)

    def end(self) -> None:
        """Whatever state it is in."""
        for node in self.nodes:
            node.__exit__(None, None, None)
            node.line.tear()
        self.valkey.stop()

    # Faults, each healed when it returns

    def faults(self) -> list[Callable[[], None]]:
        return [
            self.kill,
            self.freeze,
            self.drain,
            self.restart_database,
            self.crash_database,
            self.lose_valkey,
            self.pause_valkey,
            self.cut_off,
        ]

    def kill(self) -> None:
        """A node's process is gone from one moment to the next."""
        node = self._some()
        node.kill()
        node.start()

    def freeze(self) -> None:
        """A node stands still for longer than its leases, and believes that no time has passed."""
        node = self._some()
        self.out.add(node.number)
        node.freeze()
        self._pass()
        node.thaw()
        self.out.discard(node.number)

    def drain(self) -> None:
        """A rolling restart comes to this node."""
        node = self._some()
        status = node.terminate()
        assert status == 0, f"not a clean stop: {status}\n{node.log_tail()}"
        node.start()

    def restart_database(self) -> None:
        self._stop_database(signal.SIGINT)

    def crash_database(self) -> None:
        self._stop_database(signal.SIGQUIT)

    def _stop_database(self, how: signal.Signals) -> None:
        self.postgres.stop(how)
        self._pass(1)
        self.postgres.run()

    def lose_valkey(self) -> None:
        self.valkey.stop()
        self._pass(2)
        self.valkey.start()

    def pause_valkey(self) -> None:
        self.valkey.freeze()
        self._pass(3)
        self.valkey.thaw()

    def cut_off(self) -> None:
        """A node does not reach the database any more; what it had sent arrives late, or never."""
        node = self._some()
        self.out.add(node.number)
        node.line.freeze()
        self._pass()
        if self.dice.random() < 0.5:
            node.line.thaw()
        else:
            node.line.tear()
            node.line.lay()
        self.out.discard(node.number)

    def _pass(self, longest: float = LONGEST) -> None:
        until = time.monotonic() + self.dice.uniform(0.2, longest)
        eventually(lambda: time.monotonic() > until, longest + 10)
