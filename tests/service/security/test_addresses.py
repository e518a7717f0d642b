"""Which hosts count as loopback."""

import pytest

from service.security import is_loopback


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "LocalHost"],
)
def test_only_this_machine_reaches_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104
        "::",
        "10.0.0.1",
        "192.168.1.1",
        "::ffff:10.0.0.1",
        "128.0.0.1",
        "fe80::1",
        "",
        "127.1",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "example.com",
    ],
)
def test_any_other_address_or_name_does_not_count(host):
    assert not is_loopback(host)
