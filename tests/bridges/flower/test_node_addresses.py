"""A malicious node connects to this machine, or where it is said who has allowed it."""

import socket
from typing import Any

import pytest

from fedlens.bridges.flower.addresses import require_allowed
from fedlens.core.errors import ConfigError

NAMES = {"here": ["127.0.0.1", "::1"], "both": ["127.0.0.1", "192.0.2.7"], "there": ["192.0.2.7"]}


@pytest.fixture(autouse=True)
def resolving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are known here alone; addresses are resolved as ever."""
    real = socket.getaddrinfo

    def known(host: str, port: int, **options: Any) -> Any:
        if host in NAMES:
            return [entry for address in NAMES[host] for entry in real(address, port, **options)]
        return real(host, port, **{**options, "flags": socket.AI_NUMERICHOST})

    monkeypatch.setattr(socket, "getaddrinfo", known)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8000", "127.9.9.9:1", "[::1]:8000", "::1:8000", "[::ffff:127.0.0.1]:80", "here:8000"]
)
def test_loopback_needs_nobody(address: str) -> None:
    require_allowed(address, None)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.7:8000", "192.0.2.7 is beyond loopback"),
        ("0.0.0.0:8000", "0.0.0.0 is beyond"),
        ("[2001:db8::1]:8000", "2001:db8::1 is beyond"),
        ("[::ffff:192.0.2.7]:8000", "is beyond"),
        ("there:8000", "192.0.2.7 is beyond"),
        ("both:8000", ": 192.0.2.7 is beyond"),  # for it might go to either
        ("nowhere:8000", "nowhere cannot be resolved"),
    ],
)
def test_beyond_loopback_somebody_must_have_allowed_it(address: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_allowed(address, None)
    assert said in str(caught.value)
    assert "add e.g. --authorised 'Jo Doe, ticket 12'" in str(caught.value)
    require_allowed(address, "Jo Doe")
    with pytest.raises(ConfigError, match="--authorised: is empty"):
        require_allowed(address, " ")


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1", ":8000", "[::1]", "127.0.0.1:x", "127.0.0.1:65536", "http://127.0.0.1:80", "a@192.0.2.7:80"],
)
@pytest.mark.parametrize("authorised", [None, "Jo Doe"])
def test_what_is_no_address_is_refused(address: str, authorised: str | None) -> None:
    with pytest.raises(ConfigError, match=r"is no host:port; e\.g\. --superlink 127\.0\.0\.1:8000"):
        require_allowed(address, authorised)
