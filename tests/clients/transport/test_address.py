"""Addresses that are refused before a connection is made, and proxies in the way of others."""

import pytest

from residuum_client.errors import InvalidInput
from residuum_client.transport.address import check_target, is_local, proxy_in_the_way


@pytest.mark.parametrize(
    "target",
    [
        "localhost:50051",
        "10.0.0.1:1",
        "[::1]:65535",
        "server.example:50051",
        "dns:///server.example:50051",
        "dns:server.example",
        "dns:///no-port",
        "ipv4:10.0.0.1:50051,10.0.0.2:50051",
        "ipv6:[::1]:50051",
        "unix:/tmp/a socket",
        "unix-abstract:name",
        "xds:///service",
    ],
)
def test_an_address_of_grpc_is_taken(target):
    assert check_target(target) == target


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("localhost", "the address 'localhost' has no port; expected localhost:PORT"),
        ("localhost:", "the address 'localhost:' has no port; expected localhost:PORT"),
        (":50051", "the address ':50051' has no host; expected HOST:PORT, such as"),
        ("", "the address '' has no host; expected HOST:PORT, such as localhost:50051"),
        ("localhost:0", "has the port '0'; expected 1 to 65535"),
        ("localhost:70000", "has the port '70000'; expected 1 to 65535"),
        ("localhost:9" * 9, "needs brackets if it is IPv6"),
        ("localhost:" + "9" * 40, "expected 1 to 65535"),
        ("localhost:http", "has the port 'http'; expected 1 to 65535"),
        ("localhost:-1", "has the port '-1'"),
        ("http://localhost:50051", "is a URL; expected localhost:50051 without http://"),
        ("https://host:1/path", "is a URL; expected host:1 without https://"),
        ("grpc://", "is a URL; expected HOST:PORT without grpc://"),
        ("local host:50051", "has a space or another odd character"),
        (" localhost:50051", "has a space or another odd character"),
        ("localhost:50051\n", "has a space or another odd character"),
        ("h\u00f6st:50051", "has a space or another odd character"),
        ("::1:50051", "needs brackets if it is IPv6: [ADDRESS]:PORT"),
        ("[::1]", "has no port; expected [::1]:PORT"),
        ("[::1", "has no port"),
        ("[::1]50051", "has no port; expected [::1]:PORT"),
        ("dns:", "the address 'dns:' has no host; expected HOST:PORT"),
        ("dns:///", "the address 'dns:///' has no host"),
        ("ipv4:", "the address 'ipv4:' has no host"),
        (50051, "the address is 50051; expected HOST:PORT"),
        (None, "the address is None; expected HOST:PORT"),
        (b"localhost:1", "expected HOST:PORT"),
    ],
)
def test_any_other_is_refused_with_what_would_be_right(target, sentence):
    with pytest.raises(InvalidInput) as caught:
        check_target(target)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "target", ["localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "0.0.0.0:1", "a.localhost:1"]
)
def test_this_machine_is_known(target):
    assert is_local(target)
    assert is_local(f"dns:///{target}")
    assert proxy_in_the_way(target, {"http_proxy": "http://proxy:3128"}) == ""


def test_a_list_of_addresses_is_on_this_machine_if_all_are():
    assert check_target("ipv4:127.0.0.1:1,127.0.0.2:2") == "ipv4:127.0.0.1:1,127.0.0.2:2"
    assert is_local("ipv4:127.0.0.1:1,127.0.0.2:2")
    assert is_local("ipv6:[::1]:1,[::1]:2")
    assert not is_local("ipv4:127.0.0.1:1,10.0.0.2:2")


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"http_proxy": "http://p:1"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "https_proxy": "http://p:1"}, "https_proxy"),
        ({"http_proxy": "http://p:1", "grpc_proxy": "http://p:1"}, "grpc_proxy"),
        ({"http_proxy": "http://p:1", "no_proxy": "other,127.0.0.1"}, "http_proxy"),
        ({"http_proxy": "http://p:1", "no_proxy": ""}, "http_proxy"),
    ],
)
def test_the_variable_that_grpc_uses_is_named(environment, name):
    sentence = f"{name} is set, so the proxy p:1 was asked; no_proxy=server.example leaves it out"
    assert proxy_in_the_way("server.example:50051", environment) == sentence
    assert proxy_in_the_way("dns:///server.example:50051", environment) == sentence


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"http_proxy": ""},
        {"HTTP_PROXY": "http://p:1"},
        {"http_proxy": "socks5://p:1"},
        {"http_proxy": "p:1"},
        {"http_proxy": "http://[::1"},
        {"http_proxy": "http://p:1", "no_proxy": "a, .example"},
        {"http_proxy": "http://p:1", "no_grpc_proxy": "server.example"},
    ],
)
def test_a_variable_that_grpc_does_not_use_is_not_named(environment):
    assert proxy_in_the_way("server.example:50051", environment) == ""


def test_a_password_of_a_proxy_is_not_shown():
    environment = {"http_proxy": "http://user:secret@p:1/"}
    assert "secret" not in proxy_in_the_way("server.example:1", environment)
