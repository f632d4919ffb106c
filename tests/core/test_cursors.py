"""Cursors: opaque, of one list, and never more than what a list can have."""

from __future__ import annotations

import pytest

from brokerweb.core import cursors
from brokerweb.core.errors import Invalid

JOBS, TOKENS = cursors.digest("jobs", None), cursors.digest("tokens")


def test_a_cursor_comes_back_as_the_position_it_was_made_of():
    assert cursors.unseal(cursors.seal(JOBS, "añ/b"), JOBS) == "añ/b"
    assert cursors.unseal_id(cursors.seal(JOBS, str(2**63 - 1)), JOBS) == 2**63 - 1


@pytest.mark.parametrize("cursor", ["", "x", "!", "é", cursors.seal(TOKENS, "5"), cursors.seal(JOBS, "5")[:-4]])
def test_what_is_no_cursor_of_the_list_is_invalid(cursor: str):
    with pytest.raises(Invalid):
        cursors.unseal(cursor, JOBS)


@pytest.mark.parametrize("position", ["", "x", "-1", "1.0", "٣", str(2**63), "9" * 5000])
def test_a_position_that_no_row_can_have_is_invalid(position: str):
    with pytest.raises(Invalid):
        cursors.unseal_id(cursors.seal(JOBS, position), JOBS)
