"""``interestingness collect``: a local page on which people vote on pairs of photographs."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from interestingness.collecting.bursts import bursts_of
from interestingness.collecting.choosing import (
    ActivePairs,
    Chooser,
    ListedPairs,
    RandomPairs,
    SingleImageChooser,
)
from interestingness.collecting.export import export
from interestingness.collecting.photos import Renditions, outside
from interestingness.collecting.session import VotingSession, VotingTask
from interestingness.collecting.store import VoteStore
from interestingness.commands import web
from interestingness.commands.options import Options
from interestingness.datasets import pair_files
from interestingness.datasets.photographs import find_photographs
from interestingness.datasets.vote_tables import read_vote_files
from interestingness.disk import try_to_write, writable_cache
from interestingness.errors import ConfigError, DataError
from interestingness.reports.page import write_report
from interestingness.schema import DEFAULT_QUESTION
from interestingness.studies.audit import audit_votes
from interestingness.tables.image_names import ImageNames
from interestingness.tables.user_tables import read_user_table

_AUDITING = threading.Lock()
"""One audit at a time: many raters may ask for the same one."""


def collect(options: Options) -> None:
    """Serve until Ctrl-C or SIGTERM, then write the table.

    Raises:
        ConfigError: for options that exclude each other, or without the packages of a server.
    """
    uvicorn = web.server_package("collect")
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
    task = VotingTask(question, options.single, raters, options.guess_for or "")
    kind = f"ratings 1 to {options.single}" if options.single else "pairs"
    with _opened(store_path, {"question": task.stored, "kind": kind}) as store:
        id_of = store.add_images(names)
        here = {id_of[name]: name for name in names}
        chooser = _chooser(options, photographs, id_of, names)
        folder = writable_cache(options.cache, "--cache FOLDER") / "renditions"
        renditions = Renditions(photographs, here, folder)
        session = VotingSession(store, task, chooser, renditions)
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
        return SingleImageChooser(images, {}, seed)
    if len(names) < 2:
        raise DataError(
            f"{len(names)} photograph", expected="two or more for a pair", todo="name a folder"
        )
    if options.pairs:
        here = {name: id_of[name] for name in names}
        return ListedPairs(read_pairs(Path(options.pairs), photographs.root, here), seed)
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


def read_pairs(path: Path, root: Path, id_of: Mapping[str, str]) -> list[tuple[str, str]]:
    """Read a table with the columns left and right, as every option reads a table.

    Args:
        path: CSV, Parquet or JSON.
        root: folder of the photographs.
        id_of: id of each photograph by its name.

    Raises:
        DataError: for another table, or images that are not there.
    """
    names = ImageNames(list(id_of), root)
    rows = pair_files.read_pairs(read_user_table(path), names, mapping={}, on_missing="error")
    for note in rows.facts.get("notes", ()):
        print(f"note     {note}")
    ids = [id_of[str(name)] for name in rows.pairs.image_ids]
    return [(ids[i], ids[j]) for i, j in zip(rows.pairs.left, rows.pairs.right, strict=True)]


def _serve(
    uvicorn: Any, options: Options, session: VotingSession, images: Sequence[str], folder: Path
) -> None:
    from interestingness.collecting.server import Admission, make_app

    place = web.place_of(options)
    app = make_app(
        session,
        Admission(place.hosts, place.token, place.https),
        lambda: results(session.store, folder),
    )
    stop = threading.Event()
    ahead = threading.Thread(target=session.renditions.make_ahead, args=(images, stop), daemon=True)
    ahead.start()
    print(f"page     {place.address}{f'?token={quote(place.token)}' if place.token else ''}")
    try:
        web.serve(uvicorn, app, place)
    finally:
        stop.set()
        ahead.join(timeout=30)


def results(store: VoteStore, folder: Path) -> Path | None:
    """Write the audit of all votes so far as one page; None while there are none."""
    with _AUDITING:
        return _results(store, folder)


def _results(store: VoteStore, folder: Path) -> Path | None:
    table = folder / "votes.csv"
    # Raters see this page, and what files are called is not for them.
    if not export(store, table, names=False) or store.rows(
        "SELECT 1 FROM meta WHERE value LIKE 'ratings%'"
    ):
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
