"""Material for studies: a small synthetic data set, and tables made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from interestingness.data.splits import by_image
from interestingness.datasets.synthetic.prepare import prepare_synthetic
from interestingness.labels.scores import ScoreSource
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.models.contract import EmbeddingContract
from interestingness.schema import DEFAULT_QUESTION, Pairs, pair_key
from interestingness.studies.study import ImageFeatures, Material, Sources
from interestingness.tables.tables import Manifest, Tables

VOTED: Mapping[str, tuple[str, str, str]] = {
    "human": ("*", "human", "majority"),
    "human_consensus": ("*", "human", "consensus"),
    "gpt4o": ("gpt-4o*", "model", "order_corrected"),
}
"""Name of a source → raters, their kind, and the aggregation, as in ``conf/label_source``."""
SCORED = ("aesthetic", "commonly_interesting", "memorability", "views", "lafin", "true_utility")


@pytest.fixture(scope="session")
def synthetic_tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """80 small scenes in 240 pairs, with votes, judgments and scores of simulated raters."""
    root = tmp_path_factory.mktemp("studies") / "synthetic"
    return prepare_synthetic(root, images=80, degree=6, image_size=16, seed=0)


@pytest.fixture
def synthetic_material(synthetic_tables: Tables, tmp_path: Path) -> Material:
    """What a study on the small synthetic data set may ask for."""
    return material_of(synthetic_tables, tmp_path / "cache")


@pytest.fixture
def handmade(tmp_path: Path) -> Callable[..., Material]:
    """``handmade(votes=[…], scores=…)``: material of rows written in a test.

    A vote is a mapping with ``left``, ``right``, ``choice`` and, if one likes, ``rater``, ``kind``,
    ``first``, ``sample``, ``reason``, ``persona``; sides are those of the canonical pair.
    """

    number = count()

    def make(**rows: Any) -> Material:
        folder = tmp_path / f"handmade{next(number)}"
        return material_of(tables_of(folder, **rows), tmp_path / "cache")

    return make


def material_of(
    tables: Tables, cache: Path, *, sources: Mapping[str, LabelSource] | None = None
) -> Material:
    """Material over prepared tables; features are the images' own attributes."""
    found = shipped_sources(tables) if sources is None else dict(sources)

    def label(_: Tables, learn: bool) -> Sources:
        lacking = {name: source.missing() for name, source in found.items()}
        there = {name: source for name, source in found.items() if lacking[name] is None}
        return Sources(there, {name: why for name, why in lacking.items() if why is not None})

    return Material(
        question=DEFAULT_QUESTION,
        seed=0,
        cache=cache,
        prepare=lambda: tables,
        label=label,
        split=lambda number, t: by_image(
            t.pairs, t.images, train=0.5, validation=0.0, test=0.5, seed=number
        ),
        encode=attributes_as_features,
    )


def shipped_sources(tables: Tables) -> dict[str, LabelSource]:
    """Sources as ``conf/study.yaml`` has them."""
    voted: dict[str, LabelSource] = {
        name: VoteSource(tables, name=name, raters=[raters], kind=kind, aggregation=rule)
        for name, (raters, kind, rule) in VOTED.items()
    }
    return voted | {
        name: ScoreSource(tables, name=name, column=name, planted=name == "true_utility")
        for name in SCORED
    }


def attributes_as_features(tables: Tables) -> ImageFeatures:
    """One column per value of each attribute of the scenes; noise where there are none."""
    known = [
        n for n in ("subject", "background", "palette", "sky") if n in tables.images.schema.names
    ]
    columns = [np.random.default_rng(0).normal(0, 0.1, (len(tables.image_ids), 4))]
    for name in known:
        values = np.asarray(tables.images[name].to_pylist(), dtype=object).astype(str)
        columns.append((values[:, None] == np.unique(values)[None, :]).astype(float))
    values_ID = np.concatenate(columns, axis=1).astype(np.float32)
    embedding = EmbeddingContract.of_cached("attributes", "0" * 16, values_ID.shape[1])
    present = np.ones(len(values_ID), dtype=bool)
    return ImageFeatures(values_ID, present, embedding, "attributes of the scenes")


def tables_of(
    root: Path,
    *,
    votes: list[dict[str, Any]] | None = None,
    judgments: list[dict[str, Any]] | None = None,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    pairs: list[tuple[str, str]] | None = None,
    simulated: str = "",
) -> Tables:
    """A prepared data set of rows written by hand."""
    votes, scores = votes or [], scores or {}
    couples = [*(pairs or []), *((v["left"], v["right"]) for v in votes)]
    names = {n for couple in couples for n in couple} | {i for s in scores.values() for i in s}
    names |= {j["image"] for j in judgments or []}
    known = Pairs.from_ids([a for a, _ in couples], [b for _, b in couples], sorted(names))[0]
    tables = {
        "images": pa.table({"image_id": pa.array(sorted(names), pa.string())}),
        "pairs": pa.table(
            {
                "pair_id": pa.array(known.pair_ids, pa.string()),
                "left": pa.array([known.pair(i).left for i in range(len(known))], pa.string()),
                "right": pa.array([known.pair(i).right for i in range(len(known))], pa.string()),
            }
        ),
    }
    if votes:
        at = known.find(np.array([pair_key(v["left"], v["right"]) for v in votes], dtype=np.uint64))
        text = pa.string()
        tables["votes"] = pa.table(
            {
                "pair_id": [known.pair_ids[i] for i in at.tolist()],
                "rater_id": [v.get("rater", "someone") for v in votes],
                "choice": pa.array([v["choice"] for v in votes], text),
                "first": pa.array([v.get("first") for v in votes], text),
                "rater_kind": [v.get("kind", "human") for v in votes],
                "sample": pa.array([v.get("sample", 0) for v in votes], pa.int32()),
                "reason": pa.array([v.get("reason") for v in votes], text),
                "persona": pa.array([v.get("persona") for v in votes], text),
            }
        )
    if judgments:
        tables["judgments"] = pa.table(
            {
                "image_id": [j["image"] for j in judgments],
                "rater_id": [j.get("rater", "someone") for j in judgments],
                "answer": pa.array([j["answer"] for j in judgments], pa.bool_()),
                "rater_kind": [j.get("kind", "human") for j in judgments],
                "sample": pa.array([j.get("sample", 0) for j in judgments], pa.int32()),
            }
        )
    if scores:
        long = [(image, name, value) for name, by in scores.items() for image, value in by.items()]
        tables["scores"] = pa.table(
            {
                "image_id": [row[0] for row in long],
                "name": [row[1] for row in long],
                "score": pa.array([row[2] for row in long], pa.float64()),
            }
        )
    manifest = Manifest("handmade", "photographs", simulated=simulated)
    return Tables.write(root, manifest, tables)
