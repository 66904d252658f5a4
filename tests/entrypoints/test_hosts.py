"""The Host headers that a server answers to."""

from __future__ import annotations

import pytest

from wallarm_notify.entrypoints.hosts import KnownHosts, is_loopback


@pytest.mark.parametrize(
    "header",
    [
        "localhost",
        "localhost:5555",
        "LocalHost",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:5555",
        "[0:0:0:0:0:0:0:1]",
        "192.0.2.7:5555",
        "flower.example.com",
        "Flower.Example.com:443",
        "[2001:db8::7]:80",
    ],
)
def test_loopback_the_own_address_and_given_names_are_known_by_any_port(header: str) -> None:
    hosts = KnownHosts("192.0.2.7", ["flower.example.com", "2001:db8:0::7"])
    assert hosts.know(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ":5555",
        "rebound.example",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "flower.example.com.rebound.example",
        "notflower.example.com",
        "localhost@rebound.example",
        "rebound.example@localhost",
        "rebound.example:80@localhost",
        "localhost, rebound.example",
        "localhost rebound.example",
        "localhost:80:80",
        "http://localhost",
        "localhost/",
        "127.1",
        "2130706433",
        "192.0.2.8",
        "0.0.0.0",
        "::1",
        "[::1",
        "[rebound.example]",
        "[::2]",
        "localhost\r\nHost: x",
    ],
)
def test_nothing_else_is_known(header: str | None) -> None:
    assert not KnownHosts("192.0.2.7", ["flower.example.com"]).know(header)


@pytest.mark.parametrize("every", ["0.0.0.0", "::", ""])
def test_a_server_on_every_address_is_known_by_each_address_and_by_no_name(every: str) -> None:
    hosts = KnownHosts(every)
    for address in ("192.0.2.8", "192.0.2.8:5555", "[2001:db8::1]:80", "localhost:5555"):
        assert hosts.know(address)
    for name in ("rebound.example", "192.0.2.8.rebound.example", "127.1", ""):
        assert not hosts.know(name)


@pytest.mark.parametrize(
    ("address", "is_so"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("LocalHost.", True),
        ("::1", True),
        ("[::1]", True),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_loopback_is_what_no_other_machine_reaches(address: str, is_so: bool) -> None:
    assert is_loopback(address) is is_so
