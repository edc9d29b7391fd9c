"""Write the tables of ``rank``, and keep sets of reference scores by name."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interestingness.assembly.scorers import NamedScorer
from interestingness.data.images import Skips
from interestingness.data.part import Part
from interestingness.disk import appear, try_to_write
from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.scoring.ranking import Ranking, ReferenceScores

META = b"interestingness"
"""Key of the Parquet metadata under which a score table says which scorer made it."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


def check_out(out: Path) -> None:
    """Refuse to overwrite a file that is not a table of scores; try whether it can be written.

    Raises:
        ConfigError: for another ending, or such a file: a photograph, labels.
        OSError: if nothing can be written there.
    """
    if out.suffix.lower() not in {".parquet", ".csv", ".jsonl"}:
        raise ConfigError(
            f"--out {out}: neither .parquet, .csv nor .jsonl",
            expected="the name of a table",
            todo="--out scores.parquet",
        )
    if out.exists() and not _is_scores(out):
        raise ConfigError(
            f"--out {out}: there is another file",
            expected="a new name, or a table of an earlier --out, which is replaced",
            todo="name another file",
        )
    try_to_write(out)


def _is_scores(file: Path) -> bool:
    try:
        if file.suffix.lower() in {".csv", ".jsonl"}:
            with file.open(encoding="utf-8") as stream:
                head = stream.readline()
            return "image_id" in head and "percentile" in head
        return META in (pq.read_schema(file).metadata or {})
    except (OSError, ValueError):
        return False


def write_scores(out: Path, ranking: Ranking, named: NamedScorer) -> None:
    """Write the score table with the scorer's identity, whole or not at all.

    Args:
        out: ``.csv`` writes CSV, ``.jsonl`` a JSON object a line, anything else Parquet.
        ranking: all images.
        named: what scored them.
    """
    columns = {name: _column(values) for name, values in ranking.columns().items()}
    table = pa.table(columns).replace_schema_metadata({META: json.dumps(_about(named)).encode()})
    _write(table, out)


def _write(table: pa.Table, out: Path) -> Path:
    """Write a table in the format that its name ends in, whole or not at all."""
    write = {".csv": pacsv.write_csv, ".jsonl": _write_lines}
    return appear(out, lambda path: write.get(out.suffix.lower(), pq.write_table)(table, path))


def _write_lines(table: pa.Table, path: Path) -> None:
    """Write a JSON object a line; null where a cell is empty."""
    with path.open("w", encoding="utf-8") as file:
        for batch in table.to_batches(max_chunksize=4096):
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())


def write_part(
    out: Path, part: Part, names: Sequence[str], scores: NDArray[np.float64], skips: Skips
) -> Path:
    """Write scores of one part, in a table of its own; ranks need all parts.

    Args:
        out: name of the whole table.
        part: which part.
        names: of its images.
        scores: NaN where a file could not be read.
        skips: why.
    """
    problems = {name: why.removeprefix(f"{name}: ") for name, why in skips.reasons.items()}
    table = pa.table(
        {
            "image_id": pa.array(names, pa.string()),
            "score": _column(scores),
            "problem": pa.array([problems.get(name) for name in names], pa.string()),
        }
    )
    file = out.with_name(f"{out.stem}.{part.name}{out.suffix}")
    return _write(table, file)


def save_reference(folder: Path, name: str, ranking: Ranking, named: NamedScorer) -> Path:
    """Keep these scores by a name; ``read_reference`` finds them.

    Scores of other scorers under the same name stay: a name is a set of images, and each scorer
    has its own scores of them.

    Raises:
        ConfigError: for an impossible name.
    """
    check_name(name)
    scores = np.sort(ranking.scores[~np.isnan(ranking.scores)])
    table = pa.table({"score": scores})
    table = table.replace_schema_metadata({META: json.dumps(_about(named)).encode()})
    file = folder / name / f"{_slug(named.identity)}.parquet"
    return appear(file, lambda path: pq.write_table(table, path))


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a reference set.

    Raises:
        ConfigError: naming what can.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"--save-reference {name}: no name",
            expected="letters, digits, dots, dashes and underscores, at most 64",
            todo="--save-reference holidays",
        )


def read_reference(given: str, folder: Path, named: NamedScorer) -> ReferenceScores:
    """Read scores of other images, if the same scorer made them.

    Args:
        given: a name that was given to ``--save-reference``, or a file of an earlier ``--out``.
        folder: of the named sets.
        named: the scorer of today.

    Raises:
        DataError: if there is neither, or the file is of another kind.
        WeightsError: for scores of another scorer: they have another zero and another unit.
    """
    known = sorted(p.name for p in folder.glob("*") if p.is_dir())
    if given in known:
        file = folder / given / f"{_slug(named.identity)}.parquet"
        if not file.is_file():
            others = {_read(other)[0]["scorer"] for other in (folder / given).glob("*.parquet")}
            raise _another(f"--reference {given}", ", ".join(sorted(others)), named)
    else:
        file = Path(given).expanduser()
        if not file.is_file():
            raise DataError(
                f"--reference {given}: neither a named set nor a file",
                expected=f"one of {', '.join(known)}, or a table of an earlier --out"
                if known
                else "a table of an earlier --out; no set has a name yet",
                todo="rank the reference images with --save-reference NAME first",
            )
    about, scores = _read(file)
    if about.get("identity") != named.identity:
        raise _another(str(file), str(about.get("scorer")), named)
    return ReferenceScores(given if given in known else file.stem, scores)


def _read(file: Path) -> tuple[dict[str, Any], np.ndarray]:
    try:
        table = pq.read_table(file)
        about = dict(json.loads((table.schema.metadata or {})[META]))
        return about, np.asarray(table["score"].to_numpy(zero_copy_only=False), dtype=np.float64)
    except (OSError, KeyError, ValueError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{file}: no table of scores ({type(error).__name__}: {error})",
            expected="a Parquet file that `interestingness rank … --out` wrote",
            todo="rank the reference images first, with the same scorer",
        ) from None


def _another(where: str, who: str, named: NamedScorer) -> WeightsError:
    return WeightsError(
        f"{where}: scores of {who or 'nobody'}, another scorer than {named.card.name}",
        expected="scores of the same head, backbone and weights",
        todo="rank the reference images again, with the same scorer",
    )


def _about(named: NamedScorer) -> dict[str, Any]:
    return {
        "scorer": named.card.name,
        "identity": named.identity,
        "unit": named.card.unit,
        "licence": named.card.licence,
        "embedding": named.scorer.embedding.as_dict(),
    }


def _column(values: Any) -> pa.Array:
    """Format a column; NaN and rank 0 are empty."""
    if isinstance(values, np.ndarray):
        empty = values == 0 if values.dtype.kind == "i" else np.isnan(values)  # rank 0, no stars
        return pa.array(values, mask=empty)
    return pa.array(values, type=pa.string())


def _slug(identity: str) -> str:
    return re.sub(r"[^\w]+", "-", identity)
