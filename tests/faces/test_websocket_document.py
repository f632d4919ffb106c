"""docs/protocol/websocket.md, held against the code."""

from __future__ import annotations

import re
from typing import get_args

from brokerweb.core import closing
from brokerweb.delivery.connections import MAX_SUBSCRIPTIONS
from brokerweb.faces.brokerweb_v1 import frames, session
from brokerweb.faces.websocket import outbox, socket
from tests.server import ROOT

DOCUMENT = (ROOT / "docs" / "protocol" / "websocket.md").read_text()


def test_every_command_and_each_of_its_fields_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| (`[a-z`, ]+`) \| (.*)$", DOCUMENT, re.MULTILINE))
    documented = {name: fields for names, fields in rows.items() for name in re.findall(r"[a-z]+", names)}
    for command in get_args(frames.FRAME):
        assert command.__struct_config__.tag in documented
        for field in set(command.__struct_encode_fields__) - {"id"}:
            assert f"`{field}`" in documented[command.__struct_config__.tag], (command, field)


def test_every_close_code_is_in_the_table() -> None:
    table = set(re.findall(r"^\| (\d{4})", DOCUMENT, re.MULTILINE))
    used = {str(code) for name, code in vars(closing).items() if name.isupper() and isinstance(code, int)}
    assert len(used) == 7
    assert used <= table


def test_limits_are_the_codes_own() -> None:
    assert f"| subscriptions of a connection | {MAX_SUBSCRIPTIONS}," in DOCUMENT
    assert f"| commands under way | {session.IN_FLIGHT}, or {session.IN_FLIGHT_BYTES // 2**20} MiB" in DOCUMENT
    assert f"within {outbox.STUCK:.0f} seconds" in DOCUMENT
    assert f"within {socket.TO_AUTHENTICATE:.0f} seconds" in DOCUMENT
