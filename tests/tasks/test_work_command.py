"""``manage.py work`` in a process of its own, which is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.eventually import eventually
from tests.postgres import Servers
from tests.server import ROOT, Server, inherited
from tests.tasks.conftest import BACKEND

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.tasks.project"}
ENQUEUE = """
from django.db import transaction
from tests.tasks import jobs
with transaction.atomic():
    waits, by_the_way = jobs.note.enqueue({path!r}, wait=True), jobs.add.using(queue_name="mails").enqueue(1)
    exits = jobs.exit_at_once.using(queue_name="mails", max_attempts=2, backoff=0).enqueue()
    dawdles = jobs.dawdle.using(queue_name="mails", max_attempts=2, backoff=0).enqueue()
print(waits.id, by_the_way.id, exits.id, dawdles.id)
"""
ASK = """
import json
from tests.tasks import jobs
found = [jobs.note.get_backend().get_result(id) for id in {ids!r}]
print(json.dumps([[r.status, [error.exception_class.__name__ for error in r.errors], r.worker_ids] for r in found]))
"""


class Project:
    """The commands of a project on a broker's database."""

    def __init__(self, server: Server) -> None:
        self.environment = {**inherited(), "BROKERWEB_DATA": str(server.data), **server.environment}
        self.log = server.data.with_name("work.log")

    def shell(self, script: str) -> str:
        command = [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", script]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def ask(self, *ids: str) -> list[list[Any]]:
        """Of each result its status, the kinds of its errors, its workers."""
        found: list[list[Any]] = json.loads(self.shell(ASK.format(ids=ids)))
        return found

    @contextmanager
    def working(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as log:
            command = [sys.executable, "manage.py", "work", "--concurrency", "2"]
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def left(server: Server) -> list[int]:
    with server.rest() as rest:
        return [n for n in rest.queue("mails")["counts"].values() if n]


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_task_whose_worker_is_killed_runs_again(tmp_path: Path, postgres_servers: Servers, database: str):
    postgres = postgres_servers.get("wheel") if database == "postgres" else None
    note = tmp_path / "note"

    def noted(*lines: str) -> bool:
        return note.exists() and note.read_text().split() == [*lines]

    with Server(tmp_path / "data", environment=SETTINGS, postgres=postgres) as server:
        server.start()
        project = Project(server)
        waits, *others = project.shell(ENQUEUE.format(path=str(note))).split()
        with project.working() as process:
            eventually(lambda: noted("begun"), 60, why=f"begun\n{project.log.read_text()}")
            process.kill()
            process.wait()
        with project.working() as process:
            eventually(lambda: noted("begun", "begun"), 60, why=f"begun again\n{project.log.read_text()}")
            note.with_name("note.go").touch()
            eventually(lambda: noted("begun", "begun", "done"), 60, why=f"done\n{project.log.read_text()}")
            eventually(lambda: left(server) == [2], 60, why=f"two dead letters\n{project.log.read_text()}", interval=0.2)
            process.send_signal(signal.SIGTERM)  # it settles what it has done
            assert process.wait(60) == 0, project.log.read_text()
        exits = others[1].partition("-")[0]
        assert f"tests.tasks.jobs.exit_at_once failed on message {exits} of queue mails" in project.log.read_text()
        again, once, *failed = project.ask(waits, *others)
        assert again[:2] == ["SUCCESSFUL", ["WorkerLost"]]
        assert [worker.partition("@")[0] for worker in again[2]] == ["work", "work"]
        assert again[2][0] != again[2][1]
        assert once[0] == "SUCCESSFUL"
        assert [each[0] for each in failed] == ["FAILED", "FAILED"]
        for (_, errors, _), kind in zip(failed, ["SystemExit", "TimeLimit"], strict=True):
            assert kind in errors  # beside an attempt that was killed with its worker, it may be


def said(*arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("work", *arguments, stdout=StringIO())
    return str(refused.value)


@pytest.mark.django_db
def test_it_says_what_is_missing(settings: Any):
    settings.TASKS = {}
    assert "has no backend" in said()
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": ["mails", "others"]}}
    assert said("--queues", "mail") == "TASKS does not name mail; it names mails, others"
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": []}}
    assert "say by --queues" in said()
