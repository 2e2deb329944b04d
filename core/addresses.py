"""Hosts that a user names: resolved once, and connected to only where they may lead."""

import ipaddress
import socket
from typing import Any

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CONNECT_TIMEOUT = 5.0
MAPPED = ipaddress.ip_network("::ffff:0:0/96")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# IANA's special-purpose registries, kept here because `is_global` differs between Pythons.
# 168.63.129.16 is a public number that answers inside Azure.
NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ]
)


class PrivateAddress(Exception):
    """A user gave a host inside our own network; the text says what to do."""


def allowed_by_operator(host: str, address: Address | None = None) -> bool:
    """Whether RAPPORT_ALLOW_PRIVATE_HOSTS names this host, its address or a network around it."""
    for entry in getattr(settings, "RAPPORT_ALLOW_PRIVATE_HOSTS", ()):
        if entry.lower() == host.lower():
            return True
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            continue
        if address is not None and address.version == network.version and address in network:
            return True
    return False


def is_public(address: Address) -> bool:
    """Whether an address is out in the internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in MAPPED or address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in GLOBAL_UNICAST:
            return False
    return not any(address in network for network in NOT_PUBLIC if network.version == address.version)


def safe_addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """The (family, sockaddr) pairs of a host that may be visited; resolved once.

    Raises PrivateAddress if there is none, socket.gaierror if the name is unknown.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(f"{host!r} is not a host name") from None
    refused = ""
    allowed = []
    for family, _, _, _, sockaddr in found:
        address = ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])
        if is_public(address) or allowed_by_operator(host, address):
            allowed.append((int(family), sockaddr))
        else:
            refused = str(address)
    if not allowed:
        raise PrivateAddress(
            f"{host} leads to {refused}, an address inside a private network. Use a public address, or let "
            "whoever runs this installation add it to RAPPORT_ALLOW_PRIVATE_HOSTS."
        )
    return allowed


def safe_connect(host: str, port: int, timeout: float | None = CONNECT_TIMEOUT) -> socket.socket:
    """A TCP connection to a host that a user gave, only to an address that was checked.

    For IMAP and SMTP let the library's socket hook return it, and keep the host's name for TLS.
    Raises PrivateAddress, or OSError as `socket.create_connection` does.
    """
    failure: OSError | None = None
    for family, sockaddr in safe_addresses(host, port):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(sockaddr)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure or OSError(f"{host} has no address")
