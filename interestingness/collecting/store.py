"""One SQLite file of appearances and answers; every answer is on disk before it is acknowledged."""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from filelock import FileLock, Timeout

from interestingness.collecting.records import Appearance, Given, Wanted
from interestingness.errors import ConfigError, DataError

VERSION = 1
NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "9p", "fuse.sshfs", "fuse.s3fs", "lustre",
     "ceph", "glusterfs", "beegfs", "gpfs")
)  # fmt: skip
"""File systems on which SQLite's locks cannot be trusted."""


class UnknownAppearance(DataError):
    """An answer to something that was never handed out."""


class VoteStore:
    """Appearances and answers of one question; one process writes it."""

    def __init__(self, path: Path, about: Mapping[str, str]) -> None:
        """Open the file, or make it.

        Args:
            path: of the file.
            about: question and kind of answers; those of an existing file must be the same.

        Raises:
            ConfigError: on a network folder, while another server has it, or for another question.
            DataError: for a file that is no store.
        """
        # A link and its file are one store, and have one lock.
        self.path = Path(os.path.realpath(path.expanduser()))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kind = file_system(self.path.parent)
        if kind in NETWORK:
            raise ConfigError(
                f"--store {path}: on a network file system ({kind})",
                expected="a folder of a local disk: SQLite's locks do not hold over a network",
                todo="name a local file; --out may lie anywhere",
            )
        self._file_lock = FileLock(f"{self.path}.lock")
        try:
            self._file_lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"--store {path}: another server has it open",
                expected="one server a store; it serves many raters",
                todo="open its page, stop it, or name another store",
            ) from None
        try:
            self._db = self._opened(about)
        except BaseException:
            self._file_lock.release()
            raise
        self._lock = threading.Lock()

    def _opened(self, about: Mapping[str, str]) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                schema = (files("interestingness.collecting") / "schema.sql").read_text()
                db.executescript(f"BEGIN; {schema} PRAGMA user_version = {VERSION}; COMMIT;")
                named = {**about, "id": secrets.token_hex(8)}
                db.executemany("INSERT INTO meta VALUES (?, ?)", named.items())
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"version {version} of another program")
            before = dict(db.execute("SELECT key, value FROM meta"))
            self.id = before.get("id", "")
        except sqlite3.OperationalError:
            db.close()
            raise
        except sqlite3.DatabaseError as error:
            db.close()
            raise DataError(
                f"--store {self.path.name}: {error}",
                expected="a store that `interestingness collect` made, or a new name",
                todo="name another file",
            ) from None
        for key, value in about.items():
            if before.get(key) != value:
                db.close()
                raise ConfigError(
                    f"--store {self.path.name} collects {key} {before.get(key)!r}, not {value!r}",
                    expected="one question and one kind of answers a store",
                    todo="name another store, or ask what it asks",
                )
        return db

    def close(self) -> None:
        """Close the file and let another server have it."""
        with self._lock:
            self._db.close()
        self._file_lock.release()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on disk when this returns, or none of it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Read rows."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def add_images(self, names: Iterable[str]) -> dict[str, str]:
        """Give every photograph an id that tells nothing of its name; return id by name."""
        with self.writing() as db:
            known = dict(db.execute("SELECT name, id FROM image"))
            for name in names:
                if name not in known:
                    known[name] = secrets.token_hex(8)
                    db.execute("INSERT INTO image (id, name) VALUES (?, ?)", (known[name], name))
        return known

    def excluded(self) -> set[str]:
        """Ids of images that are not shown any more."""
        return {str(i) for (i,) in self.rows("SELECT id FROM image WHERE excluded_at IS NOT NULL")}

    def exclude(self, image: str, rater: str, why: str) -> None:
        """Stop showing an image.

        Raises:
            DataError: for one that there is not.
        """
        with self.writing() as db:
            if not db.execute("SELECT 1 FROM image WHERE id = ?", (image,)).fetchone():
                raise DataError("there is no such image", expected="one of the page's")
            db.execute(
                "UPDATE image SET excluded_by = ?, excluded_why = ?, excluded_at = ? "
                "WHERE id = ? AND excluded_at IS NULL",
                (rater, why, now(), image),
            )

    def hand_out(
        self,
        rater: str,
        tab: str,
        count: int,
        choose: Callable[[sqlite3.Connection], Wanted | None],
    ) -> list[Appearance]:
        """Return what a tab has open and unanswered, and choose more until there are ``count``.

        Everything happens in one transaction, so that two requests of one rater never choose from
        the same state.

        Args:
            rater: name.
            tab: of the browser; two tabs of a rater have different pairs.
            count: how many are wanted.
            choose: chooses one more, given the rows so far; None where there is nothing left.
        """
        with self.writing() as db:
            found = [
                Appearance(*row)
                for row in db.execute(
                    "SELECT id, token, left_image, right_image FROM appearance a WHERE rater = ? "
                    "AND tab = ? AND NOT EXISTS (SELECT 1 FROM answer WHERE appearance = a.id AND "
                    "counts) AND NOT EXISTS (SELECT 1 FROM image WHERE excluded_at IS NOT NULL AND "
                    "id IN (left_image, right_image)) ORDER BY id LIMIT ?",
                    (rater, tab, count),
                )
            ]
            while len(found) < count and (wanted := choose(db)) is not None:
                token = secrets.token_urlsafe(12)
                cursor = db.execute(
                    "INSERT INTO appearance (token, rater, tab, left_image, right_image, "
                    "chosen_by, probability, again, issued_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (token, rater, tab, wanted.left, wanted.right, wanted.chosen_by,
                     wanted.probability, wanted.again, now()),
                )  # fmt: skip
                assert cursor.lastrowid is not None
                found.append(Appearance(cursor.lastrowid, token, wanted.left, wanted.right))
        return found

    def shown(self, rater: str, token: str) -> None:
        """Note when an appearance stood on the screen; the first time counts."""
        with self.writing() as db:
            self._appearance(db, rater, token)
            db.execute(
                "UPDATE appearance SET shown_at = ? WHERE token = ? AND shown_at IS NULL",
                (now(), token),
            )

    def answer(self, rater: str, given: Given) -> bool:
        """Store an answer.

        Returns:
            Whether it counts: False for a second answer to the same appearance, which is kept. An
            answer that arrives again has the fate of the first time.
        """
        with self.writing() as db:
            appearance = self._appearance(db, rater, given.token)
            before = db.execute(
                "SELECT counts, appearance FROM answer WHERE key = ?", (given.key,)
            ).fetchone()
            if before is not None:
                return bool(before[0])
            counts = not db.execute(
                "SELECT 1 FROM answer WHERE appearance = ? AND counts", (appearance,)
            ).fetchone()
            db.execute(
                "INSERT INTO answer (key, appearance, choice, reason, response_ms, answered_at, "
                "counts) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (given.key, appearance, given.choice, given.reason, given.response_ms, now(),
                 int(counts)),
            )  # fmt: skip
            db.execute(
                "UPDATE appearance SET shown_at = ? WHERE id = ? AND shown_at IS NULL",
                (now(), appearance),
            )
        return counts

    def undo(self, rater: str, tab: str, key: str) -> Appearance | None:
        """Take back the rater's latest answer, in whatever tab it was given; None if there is none.

        What a screen could not show is no answer of the rater's.

        The answer stays as a row, the undo is a row of its own, and the appearance is open again in
        this tab. An undo that arrives again takes back nothing more.
        """
        with self.writing() as db:
            done = db.execute("SELECT appearance FROM answer WHERE key = ?", (key,)).fetchone()
            found = (
                done
                or db.execute(
                    "SELECT a.id FROM answer JOIN appearance a ON a.id = answer.appearance WHERE "
                    "rater = ? AND counts AND choice <> 'failed' ORDER BY answer.id DESC LIMIT 1",
                    (rater,),
                ).fetchone()
            )
            if found is None:
                return None
            if done is None:
                db.execute("UPDATE answer SET counts = 0 WHERE appearance = ?", found)
                db.execute(
                    "INSERT INTO answer (key, appearance, choice, answered_at, counts) "
                    "VALUES (?, ?, 'undo', ?, 0)",
                    (key, found[0], now()),
                )
                db.execute("UPDATE appearance SET tab = ? WHERE id = ?", (tab, found[0]))
            row = db.execute(
                "SELECT id, token, left_image, right_image FROM appearance WHERE id = ?", found
            ).fetchone()
        return Appearance(*row)

    @staticmethod
    def _appearance(db: sqlite3.Connection, rater: str, token: str) -> int:
        row = db.execute(
            "SELECT id FROM appearance WHERE token = ? AND rater = ?", (token, rater)
        ).fetchone()
        if row is None:
            raise UnknownAppearance(
                "an answer to a pair that this store never handed out to this rater",
                expected="the token of a pair of this page",
                todo="reload the page",
            )
        return int(row[0])


def now() -> str:
    """Return the time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def file_system(folder: Path) -> str:
    """Return the type of the file system of a folder; "" where the system does not tell."""
    try:
        done = subprocess.run(
            ["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().lower()
