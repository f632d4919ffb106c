"""The wire between one node and its PostgreSQL: a port of TCP that leads to the server's socket. A test freezes it, or tears it.

``python -m tests.cluster_faults.line PORT SOCKET`` is a process of its own, so that SIGSTOP is a network that drops everything:
what is sent is neither answered nor refused, and what was on its way arrives late, or never.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.server import ROOT, free_port


class Line:
    """One wire, on a port that it keeps."""

    def __init__(self, socket: Path) -> None:
        self._socket, self.port = socket, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def lay(self) -> None:
        """It carries when this returns."""
        command = [sys.executable, "-m", "tests.cluster_faults.line", str(self.port), str(self._socket)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"laid\n"

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """What was on its way arrives now."""
        self._signal(signal.SIGCONT)

    def tear(self) -> None:
        """What was on its way is lost, and both ends know."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            assert self._process.stdout is not None
            self._process.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _serve(port: int, path: str) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_unix_connection(path)
        except OSError:  # the server is away
            writer.close()
            return
        await asyncio.gather(_carry(reader, back), _carry(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    print("laid", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
