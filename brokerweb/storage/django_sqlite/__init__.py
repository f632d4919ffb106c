"""Django's SQLite backend on a SQLite that is safe to share (``storage/driver.py``), with this broker's settings and write lock.

SQLite 3.7.0 to 3.51.2 can lose commits in WAL mode when two connections meet a checkpoint; Python's own module is often
built with one of them. Use it as ``ENGINE = "brokerweb.storage.django_sqlite"``; nothing else in the process changes.
"""
