"""The tables of a prepared data set (docs/data_format.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.schema import DEFAULT_QUESTION, FORMAT_VERSION, Pairs
from interestingness.tables.table_format import (
    BOTH_BAD,
    SPECS,
    check_table,
    read_table,
    table_fingerprint,
    write_table,
)

__all__ = [
    "ANNOTATIONS",
    "SPECS",
    "Manifest",
    "Tables",
    "Votes",
    "check_table",
    "keys_of",
    "read_table",
    "table_fingerprint",
    "write_table",
]


ANNOTATIONS = "annotations"
"""Folder below a data set in which ``interestingness annotate`` leaves its tables."""


@dataclass(frozen=True)
class Manifest:
    """Description of a prepared data set (``dataset.json``).

    Attributes:
        name: short name, shown in every table.
        domain: "photographs" or "synthetic"; decides which weights may be used.
        simulated: sentence shown with every number if raters are simulated, else "".
        image_root: folder that relative image paths start from, or "" for the data set's own.
        facts: free plain values (counts, seeds, how it was prepared).
    """

    name: str
    domain: str
    simulated: str = ""
    image_root: str = ""
    format_version: int = FORMAT_VERSION
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes on one question as columns.

    Attributes:
        key: pair identities, shape (votes,), uint64.
        rater: index into ``raters``, shape (votes,), int32.
        raters: rater ids.
        first: +1 left was shown first, -1 right, 0 unknown, shape (votes,), int8.
        preference: 1 left chosen, 0 right, 0.5 a tie, NaN neither, shape (votes,).
        probability: the rater's own probability for left, NaN where it gave none, shape (votes,).
        sample: repetition number, shape (votes,), int32.
        both_bad: where the answer is that neither image is good, which prefers none and is no tie,
            shape (votes,); None if no answer is.
    """

    key: NDArray[np.uint64]
    rater: NDArray[np.int32]
    raters: tuple[str, ...]
    first: NDArray[np.int8]
    preference: NDArray[np.float64]
    probability: NDArray[np.float64]
    sample: NDArray[np.int32]
    both_bad: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> Votes:
        """Select votes; the raters stay the same."""
        return Votes(
            self.key[rows],
            self.rater[rows],
            self.raters,
            self.first[rows],
            self.preference[rows],
            self.probability[rows],
            self.sample[rows],
            None if self.both_bad is None else self.both_bad[rows],
        )

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Votes without a usable answer, shape (votes,)."""
        empty = np.isnan(self.preference)
        return empty if self.both_bad is None else empty & ~self.both_bad

    @classmethod
    def from_table(cls, table: pa.Table) -> Votes:
        """Read the columns of a checked vote table (all questions that it holds)."""
        raters = table["rater_id"].combine_chunks().dictionary_encode()
        code = {"left": 1.0, "right": 0.0, "tie": 0.5, BOTH_BAD: np.nan, None: np.nan}
        bad = pc.fill_null(pc.equal(table["choice"], BOTH_BAD), False)
        side = {"left": 1, "right": -1, None: 0}
        return cls(
            keys_of(table["pair_id"]),
            raters.indices.to_numpy(zero_copy_only=False).astype(np.int32),
            tuple(raters.dictionary.to_pylist()),
            _decode(table["first"], side, np.dtype(np.int8)),
            _decode(table["choice"], code, np.dtype(np.float64)),
            table["probability"].to_numpy().astype(np.float64),
            table["sample"].to_numpy().astype(np.int32),
            np.asarray(bad) if pc.any(bad).as_py() else None,
        )


def _decode(
    column: pa.ChunkedArray, code: Mapping[str | None, float], dtype: np.dtype[Any]
) -> NDArray[Any]:
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    values = np.array([code[v] for v in encoded.dictionary.to_pylist()] or [0], dtype=dtype)
    return values[encoded.indices.to_numpy(zero_copy_only=False)]


def keys_of(pair_ids: pa.ChunkedArray | Sequence[str]) -> NDArray[np.uint64]:
    """Convert hexadecimal pair ids to numbers, shape (rows,).

    Raises:
        DataError: for an id that is not 16 hexadecimal digits.
    """
    if isinstance(pair_ids, pa.ChunkedArray):  # repeated ids are converted once
        encoded = pair_ids.combine_chunks().dictionary_encode()
        distinct = keys_of(encoded.dictionary.to_pylist())
        return distinct[encoded.indices.to_numpy()]
    values = list(pair_ids)
    strange = next((v for v in values if len(v) != 16), None)
    try:
        digits = bytes.fromhex("".join(values)) if strange is None else b""
    except ValueError as error:
        strange = f"… ({error})"
    if strange is not None or len(digits) != 8 * len(values):
        raise DataError(
            f"pair_id {strange or values[0]!r} is not 16 hexadecimal digits",
            expected="ids as made by interestingness.schema.pair_id",
            todo="let `dataset=folder` make the tables, or use schema.pair_id",
        )
    return np.frombuffer(digits, dtype=">u8").astype(np.uint64)


class Tables:
    """A prepared data set: a folder of checked Parquet tables and its manifest.

    Tables are read on first use. Training and evaluation read all their data from here.
    """

    def __init__(self, root: str | Path) -> None:
        """Open a folder that holds ``dataset.json``.

        Raises:
            DataError: if there is no manifest, a damaged one, or one of another format version.
        """
        self.root = Path(root)
        path = self.root / "dataset.json"
        if not path.is_file():
            raise DataError(
                f"{self.root}: no dataset.json",
                expected="a folder that a data set was prepared in",
                todo="name a data set (`dataset=folder dataset.images=…`) or prepare it again",
            )
        try:
            values = dict(json.loads(path.read_text()))
            if values.get("format_version") != FORMAT_VERSION:
                raise DataError(
                    f"{path}: format version {values.get('format_version')}",
                    expected=f"version {FORMAT_VERSION}",
                    todo="prepare the data set again",
                )
            self.manifest = Manifest(**values)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}: not a manifest ({error})",
                expected="JSON with name, domain and format_version",
                todo="prepare the data set again; docs/data_format.md has the keys",
            ) from None

    @staticmethod
    def write(root: str | Path, manifest: Manifest, tables: Mapping[str, pa.Table]) -> Tables:
        """Write tables, then the manifest: its presence means that the data set is complete."""
        root = Path(root)
        root.mkdir(parents=True, exist_ok=True)
        for kind, table in tables.items():
            write_table(kind, table, root / f"{kind}.parquet")
        (root / "dataset.json").write_text(json.dumps(asdict(manifest), indent=1) + "\n")
        return Tables(root)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle folder and manifest; a copy in another process reads the tables itself."""
        return {"root": self.root, "manifest": self.manifest}

    def has(self, kind: str) -> bool:
        """Return whether the data set has such a table, its own or an annotator's."""
        return (self.root / f"{kind}.parquet").is_file() or bool(self._annotated(kind))

    def table(self, kind: str) -> pa.Table:
        """Return one checked table; see ``SPECS`` for kinds.

        The rows of annotators follow those of the data set, without their further columns.
        """
        own, annotated = self.root / f"{kind}.parquet", self._annotated(kind)
        if not annotated:
            return read_table(kind, own)
        parts = [read_table(kind, own)] if own.is_file() else []
        parts += [read_table(kind, path).select(list(SPECS[kind])) for path in annotated]
        return pa.concat_tables(parts, promote_options="default")

    def annotated(self, kind: str) -> list[pa.Table]:
        """Return the annotators' tables with their further columns (cost, seconds, …)."""
        return [read_table(kind, path) for path in self._annotated(kind)]

    def _annotated(self, kind: str) -> list[Path]:
        return sorted((self.root / ANNOTATIONS).glob(f"{kind}-*.parquet"))

    @cached_property
    def images(self) -> pa.Table:
        """Return the image table; ids are distinct.

        Raises:
            DataError: if an image id occurs twice.
        """
        table = self.table("images")
        counts = pc.value_counts(table["image_id"])
        twice = [c["values"].as_py() for c in counts if c["counts"].as_py() > 1]
        if twice:
            raise DataError(
                f"{self.root / 'images.parquet'}: image id {twice[0]!r} occurs more than once",
                expected="distinct image ids",
                todo="remove or rename the repeated rows",
            )
        return table

    @cached_property
    def image_ids(self) -> NDArray[np.object_]:
        """Return image ids in table order, shape (images,)."""
        return self.images["image_id"].to_numpy()

    @cached_property
    def pairs(self) -> Pairs:
        """Return all pairs, distinct and canonical, over the image table's ids.

        Raises:
            DataError: for a pair of an image with itself, of an unknown image, given twice or
                reversed (votes say "left" and "right", so the order in a row is binding), or under
                another id than its own.
        """
        table = self.table("pairs")
        left, right = table["left"].to_pylist(), table["right"].to_pylist()
        pairs, row, reversed_ = Pairs.from_ids(left, right, self.image_ids.tolist())
        where = self.root / "pairs.parquet"
        if reversed_.any():
            at = int(np.argmax(reversed_))
            raise DataError(
                f"{where}: row {at} has left {left[at]!r} and right {right[at]!r}",
                expected="left before right in the order of their ids",
                todo="exchange them, and left and right in the votes on this pair",
            )
        if len(pairs) < len(left):
            _, first = np.unique(row, return_index=True)
            at = int(np.setdiff1d(np.arange(len(row)), first)[0])
            raise DataError(
                f"{where}: the pair of {left[at]!r} and {right[at]!r} is given twice",
                expected="distinct pairs",
                todo=f"remove row {at}",
            )
        other = keys_of(table["pair_id"]) != pairs.key
        if other.any():
            at = int(np.argmax(other))
            raise DataError(
                f"{where}: row {at} calls its pair {table['pair_id'][at].as_py()!r}",
                expected=f"{pairs.pair(at).pair_id!r}, the id of its two images",
                todo="use schema.pair_id, here and in the votes",
            )
        return pairs

    def votes(
        self, *, question: str = DEFAULT_QUESTION, raters: Sequence[str] = ("*",), kind: str = "any"
    ) -> Votes:
        """Return votes on one question by raters whose id matches a glob pattern.

        Args:
            question: what was asked.
            raters: patterns of rater ids (``gpt-4o*``).
            kind: "human", "model" or "any".

        Raises:
            DataError: if there is no vote table, or a vote is for a pair not in the pair table.
        """
        wanted = (question, tuple(raters), kind)
        if wanted not in self._votes:
            self._votes[wanted] = self._read_votes(*wanted)
        return self._votes[wanted]

    @cached_property
    def _votes(self) -> dict[tuple[str, tuple[str, ...], str], Votes]:
        """Cache votes by question and raters: labels, references and comparisons share them."""
        return {}

    def _read_votes(self, question: str, raters: tuple[str, ...], kind: str) -> Votes:
        table = self.vote_table
        mask = pc.equal(table["question"], question)
        if kind != "any":
            mask = pc.and_(mask, pc.equal(table["rater_kind"], kind))
        if raters != ("*",):
            chosen: Any = pa.scalar(False)
            for pattern in raters:
                chosen = pc.or_(chosen, pc.match_like(table["rater_id"], _like(pattern)))
            mask = pc.and_(mask, chosen)
        return Votes.from_table(table.filter(mask))

    @cached_property
    def vote_table(self) -> pa.Table:
        """Return the vote table; every vote belongs to a known pair.

        Raises:
            DataError: for a vote on an unknown pair.
        """
        table = self.table("votes")
        unknown = self.pairs.find(keys_of(table["pair_id"])) < 0
        if unknown.any():
            first = table["pair_id"][int(np.argmax(unknown))].as_py()
            raise DataError(
                f"{self.root / 'votes.parquet'}: {int(unknown.sum())} votes are for unknown pairs, "
                f"the first for {first!r}",
                expected="pair ids of pairs.parquet",
                todo="add the pairs, or remove the votes",
            )
        return table

    def scores(self, name: str) -> NDArray[np.float64]:
        """Return one score per image in the order of ``image_ids``, NaN where there is none.

        Raises:
            DataError: if no score has this name, or an image has it twice.
        """
        table = self.table("scores")
        rows = table.filter(pc.equal(table["name"], name))
        if rows.num_rows == 0:
            raise DataError(
                f"{self.root / 'scores.parquet'}: no score is called {name!r}",
                expected=f"one of {', '.join(self.score_names())}",
                todo="choose a name from the list, or add the scores",
            )
        at = pc.index_in(rows["image_id"], value_set=pa.array(self.image_ids)).to_numpy()
        known = ~np.isnan(at.astype(np.float64))
        where = at[known].astype(np.int64)
        if len(np.unique(where)) != len(where):
            raise DataError(
                f"{self.root / 'scores.parquet'}: an image has the score {name!r} twice",
                expected="one score of a name per image",
                todo="remove or average the repeated rows",
            )
        values = np.full(len(self.image_ids), np.nan)
        values[where] = rows["score"].to_numpy().astype(np.float64)[known]
        return values

    def score_names(self) -> list[str]:
        """Return the names in the score table, sorted; empty without such a table."""
        if not self.has("scores"):
            return []
        return sorted(pc.unique(self.table("scores")["name"]).to_pylist())

    @property
    def images_folder(self) -> Path:
        """Return the folder that image paths are relative to."""
        return Path(self.manifest.image_root) if self.manifest.image_root else self.root

    def image_path(self, row: int) -> Path:
        """Return the path of one image.

        Raises:
            DataError: if the table has no path for it.
        """
        path = self.images["path"][row].as_py()
        if path is None:
            raise DataError(
                f"image {self.image_ids[row]!r} has no path",
                expected="a path in images.parquet",
                todo="prepare the data set with its images, or use cached features",
            )
        return self.images_folder / path

    def fingerprint(self, *kinds: str) -> str:
        """Hash the content of some tables (not file dates or paths)."""
        digest = hashlib.sha256()
        for kind in kinds or tuple(SPECS):
            if self.has(kind):
                digest.update(kind.encode())
                digest.update(table_fingerprint(self.table(kind)).encode())
        return digest.hexdigest()[:16]


def _like(pattern: str) -> str:
    """Convert a glob pattern to SQL LIKE."""
    literal = pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return literal.replace("*", "%").replace("?", "_")
