"""The SQLite driver, ``sqlite``: ``pysqlite3``, or its twin ``sqlcipher3`` where that has no wheel (ADR 0036).

Both are one author's build of one driver, and bring the same sound SQLite. The twin can also encrypt; without a key its files are
plain SQLite's.
"""

try:
    import pysqlite3.dbapi2 as sqlite
except ModuleNotFoundError:
    import sqlcipher3.dbapi2 as sqlite

__all__ = ["sqlite"]
