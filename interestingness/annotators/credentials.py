"""Read keys from the environment; they go to their own host only and are never shown."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from interestingness.annotators.redaction import Secret
from interestingness.errors import ConfigError

OPENAI_HOST = "api.openai.com"
"""A key of this provider goes to this host and those below it, wherever a config may point."""

_SECRET_NAMES = re.compile(r"(?i)key|token|secret|password|^auth|^sig(nature)?$|^code$")
_OPENAI_KEY = re.compile(r"sk-(proj|svcacct|admin)-")


def host_of(base_url: str, *, where: str = "annotator") -> str:
    """Return the host of a base URL.

    Args:
        base_url: an address.
        where: prefix of the option that holds it, for the message.

    Raises:
        ConfigError: if it is not an http(s) URL, or has a password, a fragment, or a query that
            may hold a key.
    """
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port  # an impossible port raises
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(
            f"{where}.base_url is no web address",
            expected="for example https://api.openai.com/v1 or http://127.0.0.1:8000/v1",
        )
    secret = [name for name, _ in parse_qsl(parts.query) if _SECRET_NAMES.search(name)]
    if parts.username or parts.password or parts.fragment or secret:
        raise ConfigError(
            f"{where}.base_url (host {host}) carries a user name, a password, a fragment or a key",
            expected="the address, perhaps with a query such as ?api-version=2024-10-21",
            todo=f"keys come from the environment: {where}.key_env=NAME",
        )
    return host.lower()


def is_loopback(host: str) -> bool:
    """Check whether the host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_key(
    variable: str | None,
    *,
    base_url: str,
    hosts: Sequence[str],
    environ: Mapping[str, str] = os.environ,
    where: str = "annotator",
) -> Secret | None:
    """Read the key for a host, if it may be sent there.

    Args:
        variable: name of the environment variable; None for a server that wants no key.
        base_url: where it would go.
        hosts: the hosts that may get it, exactly; ``*.example.com`` allows those below.
        environ: the environment.
        where: prefix of the options, for the messages.

    Raises:
        ConfigError: if the variable is not set, holds something that is no key, or the host is not
            among those that may get it. The message never holds the key.
    """
    host = host_of(base_url, where=where)
    if variable is None:
        return None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):  # perhaps a pasted key: not shown
        raise ConfigError(
            f"{where}.key_env is no name of an environment variable",
            expected="a name such as OPENAI_API_KEY; never the key itself",
            todo=f"export NAME=… in the shell, and {where}.key_env=NAME",
        )
    value = environ.get(variable, "").strip()
    if not value:
        raise ConfigError(
            f"the environment has no {variable}",
            expected=f"a key for {host}",
            todo=f"export {variable}=…, or {where}.key_env=null for a server without keys",
        )
    if not all("!" <= char <= "~" for char in value):
        raise ConfigError(
            f"{variable} holds spaces, control characters or letters outside ASCII",
            expected="one key on one line",
        )
    openai_key = variable == "OPENAI_API_KEY" or _OPENAI_KEY.match(value)
    if openai_key and not _matches(host, (OPENAI_HOST, f"*.{OPENAI_HOST}")):
        raise ConfigError(
            f"{variable} is a key of OpenAI, and {where}.base_url leads to {host}",
            expected=f"{OPENAI_HOST}",
            todo=f"put that server's own key into another variable and name it: {where}.key_env=…",
        )
    if not _matches(host, hosts):
        raise ConfigError(
            f"the key in {variable} may not go to {host}",
            expected=f"one of {', '.join(hosts) or '(no host is allowed)'}",
            todo=f"if it is that server's key: {where}.hosts='[{host}]'",
        )
    if urlsplit(base_url).scheme != "https" and not is_loopback(host):
        raise ConfigError(
            f"the key in {variable} would travel unencrypted to {host}",
            expected="https",
            todo=f"use https, or {where}.key_env=null for a server without keys",
        )
    return Secret(value)


def _matches(host: str, allowed: Sequence[str]) -> bool:
    return any(
        host.endswith(name[1:].lower()) if name.startswith("*.") else host == name.lower()
        for name in allowed
    )
