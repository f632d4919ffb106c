"""Long work of the broker, watched until it has ended."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brokerweb.cli import exits
from brokerweb.cli.client import Broker, path

LOOK = 0.5  # seconds between looks
GOES_ON = ("waiting", "running", "trying")


def wait(broker: Broker, job: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The job as it ended, with a bar meanwhile; ends the command where it did not end well. Ctrl-C leaves the job running."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        bar = progress.add_task(job["kind"], total=job["total"])
        try:
            while job["state"] in GOES_ON:
                time.sleep(LOOK)
                job = broker.call("GET", path("jobs", job["id"]))
                progress.update(bar, completed=job["done"], total=job["total"])
        except KeyboardInterrupt:
            exits.note(f"Job {job['id']} goes on.")
            raise
    if job["state"] != "done":
        exits.fail(f"job {job['id']} {job['state']}: {job['error'] or 'see the console'}")
    if job["failed"]:
        exits.fail(f"job {job['id']} could not do {job['failed']} of {job['total']}")
    return job
