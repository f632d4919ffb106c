"""A program under the library: commits rows to an SQLite file and prints each commit once it returned.

python -m tests.powerfail.writer FILE SYNCHRONOUS FIRST
"""

from __future__ import annotations

import itertools
import sys

from brokerweb.storage.driver import sqlite


def main(file: str, synchronous: str, first: int) -> None:
    connection = sqlite.connect(file, isolation_level=None)
    for pragma in ("journal_mode=wal", f"synchronous={synchronous}", "wal_autocheckpoint=200"):
        connection.execute(f"pragma {pragma}")
    connection.execute("create table if not exists entry (id integer primary key, body blob)")
    for start in itertools.count(first, 8):
        connection.execute("begin immediate")
        connection.executemany("insert into entry values (?, randomblob(300))", [(start + n,) for n in range(8)])
        connection.execute("commit")
        print(start + 7, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
