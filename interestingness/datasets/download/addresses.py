"""Check addresses: a downloader may connect to public ones only, by http or https.

A table of URLs comes from third parties. Without these checks it could make this machine request
its own network (a router, a cloud's metadata service) and write the answers to the image folder.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urljoin, urlsplit

from yarl import URL

SCHEMES = ("http", "https")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefusedError(OSError):
    """An address is not public, or is not an http(s) address."""


def checked_url(text: str) -> str:
    """Check a URL and return it as it will be requested.

    Raises:
        AddressRefusedError: not http(s), without a host, or with a user name.
    """
    text = text.strip()
    if not text:
        raise AddressRefusedError("no URL")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise AddressRefusedError(f"no URL: {error}") from None
    if parts.scheme.lower() not in SCHEMES:
        raise AddressRefusedError(f"{parts.scheme or 'no scheme'}: neither http nor https")
    if not parts.hostname:
        raise AddressRefusedError("no host")
    if parts.username or parts.password:
        raise AddressRefusedError("a user name or password stands in the URL")
    try:
        URL(text)
    except ValueError as error:
        raise AddressRefusedError(f"no URL: {error}") from None
    return text


def host_of(url: str) -> str:
    """Return host and port in lower case; limits of requests apply to these."""
    parts = urlsplit(url)
    default = 443 if parts.scheme.lower() == "https" else 80
    return f"{(parts.hostname or '').lower()}:{parts.port or default}"


def redirected(url: str, location: str) -> str:
    """Return the target of a redirect.

    Raises:
        AddressRefusedError: like ``checked_url``.
    """
    return checked_url(urljoin(url, location))


def is_public(address: str, *, loopback: bool = False) -> bool:
    """Return whether an IP address belongs to the public internet.

    IPv4 addresses that are wrapped in IPv6 (mapped, 6to4, Teredo, NAT64) count as themselves.

    Args:
        address: numeric, a zone index (``%eth0``) allowed.
        loopback: also accept this machine itself; for tests.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner), loopback=loopback)
    if ip.is_loopback:
        return loopback
    return ip.is_global and not ip.is_multicast


def public_socket(info: Any, *, loopback: bool) -> socket.socket:
    """Make a socket for one resolved address, just before it is connected.

    All connections pass this check, also those of redirects and of names that later resolve to
    another address.

    Args:
        info: as ``socket.getaddrinfo`` gives it.
        loopback: see ``is_public``.

    Raises:
        AddressRefusedError: if the address is not public.
    """
    family, kind, protocol, _, where = info
    if not is_public(str(where[0]), loopback=loopback):
        # The same message for each address of a name: aiohttp merges errors that differ into one.
        raise AddressRefusedError("leads to an address that is not public")
    return socket.socket(family, kind, protocol)
