"""The lock's note: what others read in it, and that a full disk keeps no server from its lock."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from brokerweb.conf import BadOption
from brokerweb.servers.lock import address_of_server, is_held, only_server, url_of_server
from brokerweb.storage.files import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "brokerweb.sqlite3")


def test_it_says_where_the_server_is_while_there_is_one(files: Files):
    with only_server(files) as note_url:
        note_url("https://broker.example", "http://127.0.0.1:8000")
        assert is_held(files)
        assert (url_of_server(files), address_of_server(files)) == ("https://broker.example", "http://127.0.0.1:8000")
    assert not is_held(files)
    assert files.lock.read_text() == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_note_without_room_keeps_no_server_from_its_lock(files: Files, monkeypatch: pytest.MonkeyPatch, number: int):
    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", full)
    with only_server(files) as note_url:
        note_url("https://broker.example", "http://127.0.0.1:8000")
        assert is_held(files)
        assert url_of_server(files) is None


def test_a_note_that_cannot_be_written_for_another_reason_is_said(files: Files, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(BadOption, match=os.strerror(errno.EIO)), only_server(files):
        pass
