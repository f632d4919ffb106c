"""The table of conversations about streams, topics and transactions, held through every face on both servers, and on both
databases.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faces.conversations.streams import FACES, TABLE, Conversation, Face
from tests.server import Server


@pytest.fixture(scope="session", params=FACES)
def face(anywhere: Server, request: pytest.FixtureRequest) -> Iterator[Face]:
    face = FACES[request.param](anywhere)
    yield face
    face.close()


@pytest.mark.parametrize("says", TABLE)
def test_conversation(face: Face, says: str) -> None:
    Conversation(face).hold(*TABLE[says])
