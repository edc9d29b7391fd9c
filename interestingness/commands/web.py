"""What commands that serve HTTP share: address, token, certificate, a graceful stop."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interestingness.annotators.credentials import is_loopback
from interestingness.commands.options import Options
from interestingness.errors import ConfigError

LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))
TOKEN = re.compile(r"[!-~]{12,}")
"""A token that a user gives: 12 or more characters of ASCII, without spaces."""


@dataclass(frozen=True)
class Place:
    """Where a server listens, and for whom.

    Attributes:
        listening: bound to address and port.
        address: for people.
        hosts: names in the header ``Host`` that are served; None for any.
        token: that visitors must have; None lets in everybody who reaches the port.
        certificate, key: PEM files for TLS.
    """

    listening: socket.socket
    address: str
    hosts: frozenset[str] | None
    token: str | None
    certificate: str | None
    key: str | None

    @property
    def https(self) -> bool:
        """Whether it is served over TLS."""
        return self.certificate is not None


def server_package(extra: str) -> Any:
    """Import the server, which comes with an extra.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise ConfigError(
            f"`interestingness {extra}` needs the package {error.name}",
            expected=f"the extra `{extra}`",
            todo=f'pip install "interestingness[{extra}]"',
        ) from None
    return uvicorn


def place_of(options: Options) -> Place:
    """Bind to ``--host`` and ``--port``; another host than this machine's own needs a token.

    Raises:
        ConfigError: for an address that cannot be had, a token that is too short, or one of the two
            files of TLS without the other.
    """
    if bool(options.tls_cert) != bool(options.tls_key):
        raise ConfigError(
            "--tls-cert and --tls-key are given together",
            expected="a certificate and its key, as PEM files",
            todo="give both, or neither",
        )
    for file in filter(None, (options.tls_cert, options.tls_key)):
        if not Path(file).is_file():
            raise ConfigError(f"{file}: no such file", expected="a PEM file", todo="correct it")
    local = is_loopback(options.host)
    token = _token(options)
    if token is None and not local:
        token = secrets.token_urlsafe(16)
    listening = _bound(options.host, options.port)
    scheme, port = ("https" if options.tls_cert else "http"), listening.getsockname()[1]
    if not local and not options.tls_cert:
        print("note     plain HTTP: what is sent, and the token, is not encrypted; see --tls-cert")
    name = "localhost" if local else reachable(options.host)
    return Place(
        listening,
        f"{scheme}://{name}:{port}/",
        LOOPBACK if local else None,
        token,
        options.tls_cert,
        options.tls_key,
    )


def serve(uvicorn: Any, app: Any, place: Place, *, patience_s: int = 30) -> None:
    """Serve until Ctrl-C or SIGTERM; what was accepted is finished within ``patience_s``."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
        timeout_graceful_shutdown=patience_s,
        server_header=False,
    )
    print("stop     Ctrl-C", flush=True)
    # After its stop uvicorn raises the signal again, which must not end us before our own end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[place.listening])
    finally:
        place.listening.close()


def reachable(host: str) -> str:
    """Return how others write the address of this machine, for one that it listens on."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:  # all addresses: the one that leads out; nothing is sent to find it
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            try:
                out.connect(("192.0.2.1", 9))
                return str(out.getsockname()[0])
            except OSError:
                return socket.gethostname()
    return f"[{address}]" if address.version == 6 else str(address)


def _token(options: Options) -> str | None:
    """Return the token of the user's; None without one.

    Raises:
        ConfigError: for a file that cannot be read, or a token that could be guessed.
    """
    token = options.token
    if options.token_file:
        try:
            token = Path(options.token_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"--token-file {options.token_file}: {error}",
                expected="a readable text file",
                todo="write a long random word into it",
            ) from None
    if token is not None and not TOKEN.fullmatch(token):
        raise ConfigError(
            f"a token of {len(token)} characters",
            expected="12 or more of ASCII, without spaces",
            todo="a long random word",
        )
    return token


def _bound(host: str, port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        found.close()
        raise ConfigError(
            f"--host {host} --port {port}: {getattr(error, 'strerror', None) or error}",
            expected="an address of this machine and a free port",
            todo="--port 0 takes any free one",
        ) from None
    return found
