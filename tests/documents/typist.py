"""Somebody who goes through a document from top to bottom: types its commands, and writes the files that it shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from tests.documents.blocks import Block, Command
from tests.eventually import eventually

LONGEST = 120  # seconds of a command
INTERRUPTED = (0, 130, -signal.SIGINT)  # how a program may end by Ctrl-C


class Lasting(NamedTuple):
    """A command that goes on until it is told to stop: begun in the background, and ended by Ctrl-C where the document ends.

    ``ready``: the address that answers once it has begun; what its output says; or behind a ``$`` what succeeds then.
    """

    pattern: str
    ready: str

    def is_meant(self, command: Command) -> bool:
        return re.search(self.pattern, command.typed) is not None


class Typist:
    """``environment`` and ``folder`` are what a person has who begins; ``written`` says what stands for what, as patterns."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, written: Mapping[str, str], lasting: Sequence[Lasting] = ()
    ) -> None:
        self.folder, self.environment = folder, dict(environment)
        self.written, self.lasting = written, lasting
        self.log = folder.with_name(folder.name + ".log")
        self._state = folder.with_name(folder.name + ".state")
        self._running: list[tuple[Command, subprocess.Popen[bytes]]] = []
        self._outputs = 0

    def here(self, text: str) -> str:
        """The text with the places and names of this test in it."""
        for pattern, replacement in self.written.items():
            text = re.sub(pattern, replacement.replace("\\", r"\\"), text)
        return text

    def write(self, block: Block) -> None:
        """Write, or add to, the file that the block says it is."""
        assert block.file is not None
        name, at_the_end = block.file
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() + "\n" if at_the_end else ""
        path.write_text(before + self.here(block.text))

    def enter(self, command: Command, statuses: Sequence[int] = (0,)) -> str:
        """Type it and wait for its end; what it printed. Variables and the folder are kept for the next."""
        kept = next((lasting for lasting in self.lasting if lasting.is_meant(command)), None)
        if kept is not None:
            self._begin(command, kept)
            return ""
        keep = "{ status=$?; env -0; printf 'PWD_NOW=%s\\0' \"$PWD\"; exit $status; }"
        text = f"{self.here(command.text)}\n{keep} >'{self._state}'"
        done = subprocess.run(
            ["sh", "-c", text],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
        said = done.stdout + done.stderr
        with self.log.open("a") as log:
            log.write(f"$ {self.here(command.text)}\n{said}\n")
        assert done.returncode in statuses, f"{command}\nended with {done.returncode}:\n{said}\n{self._said_by_others()}"
        self._remember()
        return said

    def _remember(self) -> None:
        pairs = (pair.partition("=") for pair in self._state.read_text().split("\0") if pair)
        known = {name: value for name, _, value in pairs}
        self.folder = Path(known.pop("PWD_NOW"))
        self.environment = {name: value for name, value in known.items() if name not in ("_", "OLDPWD", "SHLVL")}

    def _begin(self, command: Command, kept: Lasting) -> None:
        self._outputs += 1
        output = self.log.with_suffix(f".{self._outputs}")
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["sh", "-c", f"exec env {self.here(command.typed)}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append((command, process))
        wanted = self.here(kept.ready)

        def ready() -> bool:
            assert process.poll() is None, f"{command}\nended with {process.returncode}:\n{output.read_text()}"
            if wanted.startswith("$ "):
                asked = ["sh", "-c", wanted[2:]]
                done = subprocess.run(asked, cwd=self.folder, env=self.environment, capture_output=True, timeout=LONGEST)
                return done.returncode == 0
            return answers(wanted) if wanted.startswith("http") else re.search(wanted, output.read_text()) is not None

        eventually(ready, 60, why=f"{command} is there: {wanted}")

    def _said_by_others(self) -> str:
        return "\n".join(
            path.read_text(errors="replace")[-3000:] for path in sorted(self.log.parent.glob(f"{self.log.stem}.[0-9]*"))
        )

    def interrupt(self) -> None:
        """End what was begun last, as Ctrl-C does. It must be well under way: a Python that only starts dies of it."""
        command, process = self._running.pop()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) in INTERRUPTED, f"{command}: {process.returncode}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def stop(self) -> None:
        """End all that still runs, the last first."""
        while self._running:
            self.interrupt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.stop()
        for _, process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def answers(url: str) -> bool:
    """Whether somebody does, and well."""
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.TransportError:
        return False
