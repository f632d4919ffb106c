"""The broker that the tests of the faces have, and what states are brought about with."""

from __future__ import annotations

from tests.faces.conftest import browser, either, name, queue, rest, server

__all__ = ["browser", "either", "name", "queue", "rest", "server"]
