"""``interestingness score``: score every image of a data set and keep the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.annotators.votes import slug
from interestingness.assembly.opening import check_config, open_dataset
from interestingness.assembly.parts import skips_of
from interestingness.data.feature_cache import FeatureCache
from interestingness.errors import ConfigError, DataError
from interestingness.models.device import device_for
from interestingness.progress import ProgressLine
from interestingness.scoring.table_scorer import ScorerMaterial, TableScorer
from interestingness.tables.table_format import read_table, write_table
from interestingness.tables.tables import ANNOTATIONS, Tables


def score(cfg: DictConfig) -> dict[str, Any]:
    """Score the images, write the table, and print how a label source reads it.

    Args:
        cfg: composed ``conf/score.yaml``.

    Returns:
        Images scored, and the table.

    Raises:
        ConfigError: if the data set has a score of that name already.
        DataError: if no image can be scored.
    """
    check_config(cfg)
    line = ProgressLine("scoring")
    tables = open_dataset(cfg, line)
    column = str(cfg.scorer.column)
    file = table_file(tables, column)
    _check_column(tables, column)
    scorer: TableScorer = instantiate(cfg.scorer)
    print(f"scorer     {scorer.describe()}")
    print(f"licence    {scorer.licence}", flush=True)
    material = ScorerMaterial(
        tables,
        FeatureCache(Path(cfg.paths.cache) / "features", keep_open=True),
        device_for(),
        skips_of(cfg),
        line,
    )
    scores = scorer.scores(material)
    line.close()
    known = scores[~np.isnan(scores)]
    if not len(known):
        raise DataError(
            f"{tables.manifest.name}: none of {len(scores)} images has got a score",
            expected="a data set whose images have files",
            todo="name a data set with images (dataset.images=…)",
        )
    file.parent.mkdir(exist_ok=True)
    write_table("scores", _table(tables, column, scores, scorer.identity()), file)
    for name, why in material.skips.reasons.items():
        print(f"left out   {name}: {why}")
    low, middle, high = np.quantile(known, [0, 0.5, 1])
    counts = f"{len(known):,} of {len(scores):,} images"
    print(f"scored     {counts}: {low:.4g} to {high:.4g}, median {middle:.4g}")
    print(f"learn from it: label_source=scores label_source.column={column}")
    print(file)
    return {"scored": len(known), "table": str(file)}


def table_file(tables: Tables, column: str) -> Path:
    """Return the file of a named score; it can be deleted and made again."""
    return tables.root / ANNOTATIONS / f"scores-{slug(column)}.parquet"


def _check_column(tables: Tables, column: str) -> None:
    own = tables.root / "scores.parquet"
    there = own.is_file() and column in set(read_table("scores", own)["name"].to_pylist())
    others = [
        path.name
        for path in sorted((tables.root / ANNOTATIONS).glob("scores-*.parquet"))
        if path != table_file(tables, column)
        and column in set(read_table("scores", path)["name"].to_pylist())
    ]
    if there or others:
        where = own.name if there else others[0]
        raise ConfigError(
            f"{tables.manifest.name} has a score {column!r} already, in {where}",
            expected="a name of its own for each score",
            todo=f"scorer.column=my_{column}",
        )


def _table(tables: Tables, column: str, scores: NDArray[np.float64], identity: str) -> pa.Table:
    total = len(scores)
    return pa.table(
        {
            "image_id": pa.array(tables.image_ids.tolist(), pa.string()),
            "name": pa.array([column] * total, pa.string()),
            "score": pa.array(scores, mask=np.isnan(scores)),
            "provenance": pa.array([identity] * total, pa.string()),
        }
    )
