"""Options: where they come from, which one wins, and what is refused."""

from __future__ import annotations

import os
import stat
import threading
from ipaddress import ip_network
from pathlib import Path

import pytest

from brokerweb import conf, secret
from brokerweb.database_url import as_django
from brokerweb.secret import secret_key


def test_defaults_listen_on_loopback_only():
    options = conf.read({})
    assert (options.host, options.port, options.server, options.data) == ("127.0.0.1", 8000, "daphne", Path("data"))
    assert options.hosts == ["localhost", "127.0.0.1", "[::1]"]
    assert "http://localhost:8000" in options.origins
    assert not options.secure


def test_the_environment_wins_over_djangos_settings():
    options = conf.read({"BROKERWEB_BIND": "127.0.0.1:9000"}, {"bind": "127.0.0.1:7000", "server": "uvicorn"})
    assert (options.port, options.server) == (9000, "uvicorn")


def test_an_empty_variable_counts_as_not_given():
    assert conf.read({"BROKERWEB_BIND": ""}).bind == "127.0.0.1:8000"


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BROKERWEB_BIND", "127.0.0.1:9000")
    monkeypatch.setenv("BROKERWEB_SERVER", "daphne")
    conf.adopt_flags(["--bind=127.0.0.1:9001", "--server", "uvicorn", "--no-migrate"])
    options = conf.read(os.environ)
    assert (options.port, options.server) == (9001, "uvicorn")


def test_secrets_have_no_flag():
    assert not {"admin_password", "admin_token"} & set(conf.flags())


def test_hosts_cookies_and_origins_follow_from_the_public_url():
    options = conf.read({"BROKERWEB_PUBLIC_URL": "https://Broker.example, https://[2001:db8::1]:8443/"})
    assert options.origins == ("https://broker.example", "https://[2001:db8::1]:8443")
    assert options.hosts[:2] == ["broker.example", "[2001:db8::1]"]
    assert options.secure
    assert options.url == "https://broker.example"


def test_origins_are_compared_as_browsers_write_them():
    options = conf.read({"BROKERWEB_PUBLIC_URL": "https://broker.example:443,http://broker.example:80/,https://b.example:0444"})
    assert options.origins == ("https://broker.example", "http://broker.example", "https://b.example:444")


def test_a_password_in_an_origin_is_not_repeated():
    with pytest.raises(conf.BadOption, match="no user or password") as refused:
        conf.read({"BROKERWEB_PUBLIC_URL": "https://ada:lovelace@broker.example"})
    assert "lovelace" not in str(refused.value)


def test_one_origin_without_https_leaves_cookies_usable_there():
    assert not conf.read({"BROKERWEB_PUBLIC_URL": "https://a.example,http://b.example"}).secure


def test_proxies_are_addresses_or_networks():
    options = conf.read({"BROKERWEB_TRUSTED_PROXIES": "10.0.0.0/8, ::1, ::ffff:192.0.2.0/120"})
    assert options.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"), ip_network("192.0.2.0/24"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BROKERWEB_BIND", "8000"),
        ("BROKERWEB_BIND", "::1:8000"),
        ("BROKERWEB_BIND", "127.0.0.1:99999"),
        ("BROKERWEB_SERVER", "gunicorn"),
        ("BROKERWEB_PUBLIC_URL", "broker.example"),
        ("BROKERWEB_PUBLIC_URL", "https://broker.example/path"),
        ("BROKERWEB_PUBLIC_URL", "https://broker.example:99999"),
        ("BROKERWEB_PUBLIC_URL", "https://broker.example:0"),
        ("BROKERWEB_PUBLIC_URL", "https://*.example"),
        ("BROKERWEB_PUBLIC_URL", "https://bücher.example"),
        ("BROKERWEB_PUBLIC_URL", "https://[::1"),
        ("BROKERWEB_TRUSTED_PROXIES", "proxy.example"),
        ("BROKERWEB_MAX_REQUEST_BYTES", "8 MB"),
        ("BROKERWEB_THREADS", "0"),
        ("BROKERWEB_MAX_REQUEST_BYTES", "1000"),
        ("BROKERWEB_SECRET_KEY", "short"),
        ("REDIS_URL", "localhost:6379"),
        ("BROKERWEB_READ_ONLY", "maybe"),
        ("BROKERWEB_AUDIT_DAYS", "0"),
        ("BROKERWEB_ENVIRONMENT", "two words"),
        ("BROKERWEB_ENVIRONMENT", "prod:red"),
        ("BROKERWEB_ENVIRONMENT", "prod:#b0002"),
        ("BROKERWEB_ENVIRONMENT", ":#b00020"),
        ("BROKERWEB_ENVIRONMENT", "n" * 33),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(variable: str, value: str):
    with pytest.raises(conf.BadOption, match=variable):
        conf.read({variable: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BROKERWEB_MAX_REQUEST_BYTES", "8M"),
        ("BROKERWEB_SERVER", "hypercorn"),
        ("BROKERWEB_PUBLIC_URL", "https://b.example:99999"),
    ],
)
def test_what_was_given_is_named_beside_what_may_be(variable: str, value: str):
    with pytest.raises(conf.BadOption, match=f"^{variable}: '{value}' is not "):
        conf.read({variable: value})


def test_an_unknown_option_is_refused_with_a_suggestion():
    with pytest.raises(conf.BadOption, match="did you mean 'bind'"):
        conf.read({}, {"bnd": "127.0.0.1:8000"})


@pytest.mark.parametrize(("bind", "url"), [("0.0.0.0:80", "http://127.0.0.1:80"), ("[::1]:8000", "http://[::1]:8000")])
def test_the_shown_address_can_be_opened(bind: str, url: str):
    assert conf.read({"BROKERWEB_BIND": bind}).url == url


def test_the_secret_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path):
    directory = tmp_path / "new" / "data"
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(secret_key(directory))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(keys)) == 1
    assert len(keys[0]) >= 50
    assert stat.S_IMODE((directory / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in directory.iterdir()] == ["secret.key"]


def test_the_secret_key_is_synced_before_it_has_its_name_and_its_name_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    steps: list[str] = []
    sync, link = os.fsync, os.link

    def note_sync(descriptor: int) -> None:
        place = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        assert place.is_dir() or len(place.read_text()) >= 50, "a key is whole when it is synced"
        steps.append(place.name if place.is_dir() or place.name == "secret.key" else "key without its name")
        sync(descriptor)

    def note_link(source: str, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    secret_key(tmp_path / "new" / "data")
    assert steps == [tmp_path.name, "new", "key without its name", "link", "secret.key", "data"]


def test_an_empty_secret_key_is_no_key(tmp_path: Path):
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(conf.BadOption, match=r"secret\.key is empty"):
        secret_key(tmp_path)


def test_a_key_that_is_given_is_the_key(tmp_path: Path):
    given = {"BROKERWEB_SECRET_KEY": "0123456789" * 5, "BROKERWEB_DATA": str(tmp_path / "data")}
    assert secret.of(conf.read(given)) == given["BROKERWEB_SECRET_KEY"]
    assert not (tmp_path / "data").exists()


class TestDatabaseUrl:
    def test_it_names_user_password_host_port_and_database(self):
        found = as_django("postgresql://ada:p%40ss%2Fword@db.example:6432/broker")
        names = ("USER", "PASSWORD", "HOST", "PORT", "NAME")
        assert [found[name] for name in names] == ["ada", "p@ss/word", "db.example", "6432", "broker"]
        assert "target_session_attrs" not in found["OPTIONS"]

    def test_parameters_of_libpq_are_passed_on_and_win(self):
        options = as_django("postgres://db.example/broker?sslmode=verify-full&connect_timeout=30")["OPTIONS"]
        assert (options["sslmode"], options["connect_timeout"]) == ("verify-full", "30")
        assert options["tcp_user_timeout"] == "10000"

    def test_of_several_hosts_the_one_that_writes_is_taken(self):
        found = as_django("postgresql://one:5432,two:5433/broker")
        assert (found["HOST"], found["PORT"]) == ("one,two", "5432,5433")
        assert found["OPTIONS"]["target_session_attrs"] == "read-write"

    def test_a_socket_is_a_host_too(self):
        assert as_django("postgresql:///broker?host=/run/postgresql")["HOST"] == "/run/postgresql"

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("mysql://ada:lovelace@db.example/broker", "stores in PostgreSQL"),
            ("db.example/broker?password=lovelace", "stores in PostgreSQL"),
            ("sqlite:///lovelace.sqlite3", "BROKERWEB_DATA"),
            ("postgresql://ada:lovelace@db.example", "names no database"),
            ("postgresql://ada:love%lace@db.example/broker", "%40"),
            ("postgresql://ada:lovelace@db.example/broker?sslmod=require", "libpq does not know"),
            ("postgresql://[ada:lovelace", "no URL"),
        ],
    )
    def test_what_cannot_be_used_is_refused_without_a_word_of_it(self, url: str, words: str):
        with pytest.raises(conf.BadOption, match=f"^DATABASE_URL: .*{words}") as refused:
            as_django(url)
        assert "lace" not in str(refused.value)
