"""``interestingness collect``: a local page on which people vote on pairs of photographs."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import re
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv

from interestingness.collecting.bursts import bursts_of
from interestingness.collecting.choosing import (
    ActivePairs,
    Chooser,
    ListedPairs,
    RandomPairs,
    SingleImages,
)
from interestingness.collecting.export import export
from interestingness.collecting.photos import Renditions, outside
from interestingness.collecting.session import Session, Task
from interestingness.collecting.store import VoteStore
from interestingness.commands.options import Options
from interestingness.datasets.photographs import find_photographs
from interestingness.datasets.vote_tables import read_vote_files
from interestingness.disk import try_to_write, writable_cache
from interestingness.errors import ConfigError, DataError
from interestingness.reports.page import write_report
from interestingness.schema import DEFAULT_QUESTION
from interestingness.studies.audit import audit_votes

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def collect(options: Options) -> None:
    """Serve until Ctrl-C or SIGTERM, then write the table.

    Raises:
        ConfigError: for options that exclude each other, or without the packages of a server.
    """
    uvicorn = _server()
    check_options(options)
    store_path, out = Path(options.store), _out(options)
    try_to_write(out)
    photographs = find_photographs(options.photos, copies=options.copies)
    for sentence in photographs.left_out.sentences(option="--copies"):
        print(f"left out {sentence}")
    folders = [Path(one).expanduser() for one in options.photos]
    away = set(outside(photographs, [f if f.is_dir() else f.parent for f in folders]))
    if away:
        print(f"left out {len(away)} symbolic links that lead out of the folder")
    names = [name for name in photographs.image_ids if name not in away]
    raters = [name.strip() for name in (options.raters or "").split(",") if name.strip()]
    question = " ".join((options.question or DEFAULT_QUESTION).split())
    task = Task(question, options.single, raters, options.guess_for or "")
    kind = f"ratings 1 to {options.single}" if options.single else "pairs"
    with _opened(store_path, {"question": task.stored, "kind": kind}) as store:
        id_of = store.add_images(names)
        here = {id_of[name]: name for name in names}
        chooser = _chooser(options, photographs, id_of, names)
        folder = writable_cache(options.cache, "--cache FOLDER") / "renditions"
        renditions = Renditions(photographs, here, folder)
        session = Session(store, task, chooser, renditions)
        print(f"images   {len(names):,} below {photographs.shown_root}")
        print(f"store    {store_path}; the table is written to {out} at the end")
        with tempfile.TemporaryDirectory() as page:
            _serve(uvicorn, options, session, list(here), Path(page))
        print(
            f"wrote    {export(store, out):,} {'ratings' if options.single else 'votes'} to {out}"
        )


def check_options(options: Options) -> None:
    """Refuse options that exclude each other.

    Raises:
        ConfigError: for such options.
    """
    if options.single and options.pairs:
        raise ConfigError(
            "--single with --pairs",
            expected="single images to be rated, or pairs",
            todo="leave one of them out",
        )
    if options.pairs and options.choose != "random":
        raise ConfigError(
            f"--pairs with --choose {options.choose}",
            expected="a list of pairs, or a rule that chooses them",
            todo="leave one of them out",
        )
    if bool(options.tls_cert) != bool(options.tls_key):
        raise ConfigError(
            "--tls-cert and --tls-key are given together",
            expected="a certificate and its key, as PEM files",
            todo="give both, or neither",
        )


def _out(options: Options) -> Path:
    return Path(options.out) if options.out else Path(options.store).with_suffix(".csv")


@contextlib.contextmanager
def _opened(path: Path, about: dict[str, str]) -> Iterator[VoteStore]:
    store = VoteStore(path, about)
    try:
        yield store
    finally:
        store.close()


def _chooser(
    options: Options, photographs: Any, id_of: dict[str, str], names: Sequence[str]
) -> Chooser:
    seed = options.seed if options.seed is not None else secrets.randbits(63)
    images = [id_of[name] for name in names]
    if options.single:
        return SingleImages(images, {}, seed)
    if len(names) < 2:
        raise DataError(
            f"{len(names)} photograph", expected="two or more for a pair", todo="name a folder"
        )
    if options.pairs:
        return ListedPairs(read_pairs(Path(options.pairs), id_of), seed)
    bursts = {} if options.allow_bursts else bursts_of(photographs)
    if bursts:
        frames = sum(name in id_of for name in bursts)
        print(f"bursts   {len(set(bursts.values())):,} of {frames:,} frames: never a pair")
    of_ids = {id_of[name]: number for name, number in bursts.items() if name in id_of}
    if len({of_ids.get(image, image) for image in images}) < 2:
        raise DataError(
            f"all {len(images):,} photographs are of one burst, by the times in them",
            expected="photographs of two bursts or more: frames of one are never a pair",
            todo="--allow-bursts lets them be pairs",
        )
    made = ActivePairs if options.choose == "active" else RandomPairs
    return made(images, of_ids, seed)


def read_pairs(path: Path, id_of: dict[str, str]) -> list[tuple[str, str]]:
    """Read a table with the columns left and right.

    Raises:
        DataError: for another table, or images that are not there.
    """
    try:
        table = pacsv.read_csv(path)
        left, right = (table[side].cast("string").to_pylist() for side in ("left", "right"))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"--pairs {path}: {str(error).splitlines()[0]}",
            expected="a CSV with the columns left and right",
            todo="name another file",
        ) from None
    missing = [name for name in {*left, *right} if name not in id_of]
    if missing:
        raise DataError(
            f"--pairs {path}: {len(missing)} names of no photograph, {missing[0]!r} for one",
            expected="names as paths below the folder of photographs",
            todo="correct the names, or name the folder they are in",
        )
    pairs = dict.fromkeys((a, b) for a, b in zip(left, right, strict=True) if a != b)
    if not pairs:
        raise DataError(f"--pairs {path}: no pair", expected="a row a pair", todo="fill it")
    return [(id_of[a], id_of[b]) for a, b in pairs]


def _server() -> Any:
    """Import the server, an extra.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise ConfigError(
            f"`interestingness collect` needs the package {error.name}",
            expected="the extra `collect`",
            todo='pip install "interestingness[collect]"',
        ) from None
    return uvicorn


def _serve(
    uvicorn: Any, options: Options, session: Session, images: Sequence[str], folder: Path
) -> None:
    from interestingness.collecting.server import Door, make_app

    local = _is_loopback(options.host)
    wanted = bool(options.token or options.token_file)
    token = None if local and not wanted else _token(options)
    tls = bool(options.tls_cert)
    hosts = frozenset(LOOPBACK) if local else None
    door = Door(hosts, token, tls)
    app = make_app(session, door, lambda: results(session.store, folder))
    listening = _socket(options)
    stop = threading.Event()
    ahead = threading.Thread(target=session.renditions.make_ahead, args=(images, stop), daemon=True)
    ahead.start()
    config = uvicorn.Config(
        app,
        log_level="warning",
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    server = uvicorn.Server(config)
    port = listening.getsockname()[1]
    host = "localhost" if local else reachable(options.host)
    address = f"{'https' if tls else 'http'}://{host}:{port}/"
    print(f"page     {address}{f'?token={token}' if token else ''}")
    if not local and not tls:
        print("note     plain HTTP: votes, names and the token travel unencrypted; see --tls-cert")
    print("stop     Ctrl-C", flush=True)
    # After its stop uvicorn raises the signal again, which must not end us before the table.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        ahead.join(timeout=30)
        listening.close()


def results(store: VoteStore, folder: Path) -> Path | None:
    """Write the audit of all votes so far as one page; None while there are none."""
    table = folder / "votes.csv"
    if not export(store, table) or store.rows("SELECT 1 FROM meta WHERE value LIKE 'ratings%'"):
        return None
    state = hashlib.sha256(table.read_bytes()).hexdigest()[:16]
    page = folder / state / "page.html"
    if page.is_file():
        return page
    files = read_vote_files(
        [str(table)],
        default_question=DEFAULT_QUESTION,
        question=None,
        columns={},
        choices={},
        on_missing="error",
    )
    result = audit_votes(
        files.table,
        files.pairs,
        question=files.question,
        where="the votes so far",
        images_known=files.images_known,
        notes=files.notes,
        simulated=files.simulated,
    )
    return write_report(folder / state, result, picture=lambda _: None, settings={})


def _token(options: Options) -> str:
    """Return the token of the user's, or a new one.

    Raises:
        ConfigError: for a file that cannot be read, or a token that can be guessed.
    """
    if options.token is not None:
        token = str(options.token)
    elif options.token_file:
        try:
            token = Path(options.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"--token-file {options.token_file}: {error}",
                expected="a readable text file",
                todo="write a long random word into it",
            ) from None
    else:
        return secrets.token_urlsafe(16)
    if not re.fullmatch(r"[A-Za-z0-9_-]{12,128}", token):
        raise ConfigError(
            f"a token of {len(token)} characters",
            expected="12 or more: letters, digits, - and _",
            todo="leave it out, so that one is made",
        )
    return token


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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _socket(options: Options) -> socket.socket:
    """Bind now, so that a port in use is an error of ours.

    Raises:
        ConfigError: if the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((options.host, options.port))
    except OSError as error:
        found.close()
        raise ConfigError(
            f"--host {options.host} --port {options.port}: {error.strerror or error}",
            expected="an address of this machine and a free port",
            todo="--port 0 takes any free one",
        ) from None
    return found
