"""Bodies in chunks, however the network cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core.errors import Invalid
from brokerweb.servers.chunks import Chunks


def read(data: bytes, piece: int) -> tuple[bytes, bytes | None]:
    """What the chunks held, and what stood behind them; None where the end has not come."""
    content: list[bytes] = []
    chunks = Chunks(content.append)
    for at in range(0, len(data), piece):
        rest = chunks.feed(data[at : at + piece])
        if rest is not None:
            return b"".join(content), rest + data[at + piece :]
    return b"".join(content), None


@given(
    st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 50), st.sampled_from([b"", b"X: y\r\n"]), st.binary(max_size=9)
)
def test_the_content_is_what_was_sent(parts: list[bytes], piece: int, trailer: bytes, behind: bytes) -> None:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"
    assert read(sent + behind, piece) == (b"".join(parts), behind)
    assert read(sent[:-1], piece) == (b"".join(parts), None)


@given(st.binary(max_size=40), st.integers(1, 50))
def test_where_it_is_cut_makes_no_difference(data: bytes, piece: int) -> None:
    def outcome(piece: int) -> object:
        try:
            return read(data, piece)[1]
        except Invalid:
            return Invalid

    assert outcome(piece) == outcome(1000)


def test_trailers_are_bounded() -> None:
    with pytest.raises(Invalid):
        read(b"0\r\n" + b"X: y\r\n" * 20_000, 1000)
