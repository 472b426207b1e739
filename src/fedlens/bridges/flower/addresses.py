"""Where a malicious node may connect: to this machine, or wherever somebody who may has allowed it."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv6Address, ip_address

from fedlens.core.errors import ConfigError, shortened

EXAMPLE = "--superlink 127.0.0.1:8000"
NAME = re.compile(r"[A-Za-z0-9._-]+")


def require_allowed(superlink: str, authorised: str | None) -> None:
    """Refuse a SuperLink that is not on this machine, unless it is said who has allowed to attack it.

    Args:
        superlink: ``host:port`` as Flower takes it: a name, an IPv4 address, or an IPv6 address, in brackets or not.
        authorised: who has.

    Raises:
        ConfigError: it is elsewhere, cannot be resolved, or is no such address.
    """
    host, port = _split(superlink)
    if authorised is not None:
        if not authorised.strip():
            raise ConfigError("--authorised: is empty; say who has allowed it, e.g. --authorised 'Jo Doe, ticket 12'")
        return
    remedy = "if those who run it have allowed it, add e.g. --authorised 'Jo Doe, ticket 12'"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"--superlink {superlink}: {host} cannot be resolved: {error.strerror}; {remedy}") from None
    addresses = sorted({str(entry[4][0]) for entry in found})
    if elsewhere := [address for address in addresses if not _is_loopback(address)]:
        raise ConfigError(
            f"--superlink {superlink}: {', '.join(elsewhere)} is beyond loopback, and this node attacks; {remedy}"
        )


def _split(superlink: str) -> tuple[str, int]:
    """Return host and port."""
    host, _, port = superlink.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if port.isascii() and port.isdigit() and int(port) < 2**16 and (NAME.fullmatch(bare) or _is_address(bare)):
        return bare, int(port)
    raise ConfigError(f"--superlink: {shortened(superlink)} is no host:port; e.g. {EXAMPLE}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(text: str) -> bool:
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
