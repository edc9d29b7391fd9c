"""Simulate the tables of a synthetic data set, without pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.datasets.synthetic import raters
from interestingness.datasets.synthetic.constants import CALIBRATED, Calibration
from interestingness.datasets.synthetic.graph import regular_pairs
from interestingness.datasets.synthetic.raters import PairVotes
from interestingness.datasets.synthetic.reasons import long_reason, pick, short_reasons
from interestingness.datasets.synthetic.scenes import Scene, synthetic_scenes
from interestingness.datasets.synthetic.sources import Basis, ImageSources, image_sources
from interestingness.datasets.synthetic.words import caption, description, tags
from interestingness.schema import Pairs
from interestingness.tables.tables import check_table

SIMULATION = "SIMULATION: raters calibrated to the paper; agreement is by construction"
PLANTED = "planted: the simulation's truth (interestingness.datasets.synthetic.tastes.TRUTH)"
GPT, LLAMA, DEEPSEEK = "gpt-4o-simulated", "llama-3.2-simulated", "deepseek-vl2-simulated"
SAMPLES = 5
SINGLE_WORKERS = 258
"""Distinct workers for single images; the paper's number."""

_LEAK = ("explore", "explored", "inexplore", "explore2024")
_LEAK_SHARE, _INNOCENT_SHARE = 0.6, 0.01
_DAY_ONE = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())
_STREAM = {"pairs": 11, "human": 12, GPT: 13, LLAMA: 14, DEEPSEEK: 15, "single": 16, "tags": 17,
           "reasons": 18}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SyntheticWorld:
    """Everything simulated, as arrays: fitting needs these, but no tables.

    Attributes:
        scenes: one per image.
        image_ids: their ids, ascending.
        pairs: canonical pairs; rows are in the graph's random order.
        basis: tastes and chance per image.
        constants: fitted numbers of the raters.
    """

    scenes: tuple[Scene, ...]
    image_ids: tuple[str, ...]
    pairs: Pairs
    basis: Basis
    constants: Calibration = CALIBRATED

    @cached_property
    def sources(self) -> ImageSources:
        """Return numbers per image."""
        return image_sources(self.basis, self.constants)

    def difference(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return left minus right, shape (pairs, …) for values of shape (images, …)."""
        return values[self.pairs.left] - values[self.pairs.right]


def stream(seed: int, name: str) -> np.random.Generator:
    """Make a separate generator for each part, so that a new part changes no other."""
    return np.random.default_rng((seed, _STREAM[name], 0))


def image_id(index: int) -> str:
    """Return the id of the scene at a place."""
    return f"scene-{index:06d}"


def make_world(
    images: int, degree: int, seed: int, constants: Calibration = CALIBRATED
) -> SyntheticWorld:
    """Simulate scenes, pairs and numbers per image.

    Raises:
        DataError: if no graph has so many images with so many pairs each.
    """
    rows = regular_pairs(images, degree, stream(seed, "pairs"))
    scenes = tuple(synthetic_scenes(seed, images))
    ids = tuple(image_id(i) for i in range(images))
    one, other = ([ids[i] for i in column] for column in rows.T.tolist())
    pairs, _, _ = Pairs.from_ids(one, other, ids)
    return SyntheticWorld(scenes, ids, pairs, Basis.of(scenes), constants)


def pair_votes(world: SyntheticWorld, seed: int) -> dict[str, PairVotes]:
    """Simulate votes of the crowd ("human") and of three judges, by rater."""
    basis, constants = world.basis, world.constants
    tastes = np.stack(list(basis.own.values()), axis=1)
    judge = world.difference(basis.judge(constants))
    return {
        "human": raters.human_votes(
            world.difference(basis.truth), world.difference(tastes), stream(seed, "human"),
            constants,
        ),
        GPT: raters.threshold_judge_votes(
            judge, stream(seed, GPT), bias=constants.judge_bias, noise=constants.judge_noise,
            samples=SAMPLES,
        ),
        LLAMA: raters.contradicting_judge_votes(judge, stream(seed, LLAMA), guess=0.7),
        DEEPSEEK: raters.constant_judge_votes(judge, stream(seed, DEEPSEEK), constant=0.97),
    }  # fmt: skip


def simulated_tables(
    images: int, degree: int, seed: int, *, constants: Calibration = CALIBRATED
) -> dict[str, pa.Table]:
    """Simulate all tables of a synthetic data set; ``images`` without paths.

    Args:
        images: number of images, 2 or more.
        degree: pairs per image.
        seed: of everything.
        constants: fitted numbers of the raters.

    Returns:
        "images", "pairs", "votes", "judgments" and "scores", as in docs/data_format.md.

    Raises:
        DataError: if no graph has so many images with so many pairs each.
    """
    world = make_world(images, degree, seed, constants)
    pair_ids = world.pairs.pair_ids
    left, right = ([world.image_ids[i] for i in rows.tolist()]
                   for rows in (world.pairs.left, world.pairs.right))  # fmt: skip
    votes = pair_votes(world, seed)
    tables = {
        "images": _image_table(world, seed),
        "pairs": pa.table({"pair_id": pair_ids, "left": left, "right": right}),
        "votes": pa.concat_tables(
            [_vote_table(world, name, found, seed) for name, found in votes.items()]
        ),
        "judgments": _judgment_table(world, seed),
        "scores": _score_table(world),
    }
    return {
        kind: check_table(kind, table, where=f"synthetic {kind}") for kind, table in tables.items()
    }


def _image_table(world: SyntheticWorld, seed: int) -> pa.Table:
    rng, sources = stream(seed, "tags"), world.sources
    words = [tags(scene, rng) for scene in world.scenes]
    for row, flagged in enumerate(sources.scores["lafin"] > 0):
        # The leak that LaFin's authors removed: tags that name the platform's own selection.
        share = _LEAK_SHARE if flagged else _INNOCENT_SHARE
        u = float(sources.leak[row])
        if u < share:
            words[row].append(_LEAK[int(u / share * len(_LEAK))] if flagged else "exploring")
    attributes = ("subject", "background", "count", "light", "sky", "palette", "colour",
                  "position", "size", "clutter")  # fmt: skip
    columns: dict[str, object] = {
        "image_id": world.image_ids,
        "caption": [caption(scene) for scene in world.scenes],
        "description": [description(scene) for scene in world.scenes],
        "tags": pa.array(words, type=pa.list_(pa.string())),
        **{name: [getattr(scene, name) for scene in world.scenes] for name in attributes},
        "unusual": [scene.unusual for scene in world.scenes],
        "owner": [f"simulated-owner-{number:03d}" for number in sources.owner.tolist()],
        "taken_at": pa.array(
            (sources.taken + _DAY_ONE) * 1_000_000, type=pa.timestamp("us", tz="UTC")
        ),
        "simulated": [True] * len(world.scenes),
    }
    return pa.table(columns)


def _vote_table(world: SyntheticWorld, name: str, votes: PairVotes, seed: int) -> pa.Table:
    pairs, samples = votes.left.shape
    favoured = np.where(votes.favoured, world.pairs.left[:, None], world.pairs.right[:, None])
    rows = favoured.ravel().tolist()
    if name == "human":
        phrases = [short_reasons(scene) for scene in world.scenes]
        reason = pick([phrases[i] for i in rows], stream(seed, "reasons"))
        rater = [f"simulated-worker-{number:03d}" for number in votes.worker.ravel().tolist()]
        sample = np.zeros(pairs * samples)
    else:
        sentences = [long_reason(scene) for scene in world.scenes]
        reason = [sentences[i] for i in rows]
        rater = [name] * len(rows)
        sample = np.tile(np.arange(samples) % max(samples // 2, 1), pairs)
    return pa.table(
        {
            "pair_id": np.repeat(np.array(world.pairs.pair_ids, dtype=object), samples),
            "rater_id": pa.array(rater, type=pa.string()),
            "choice": _sides(votes.left),
            "first": _sides(votes.left_first),
            "rater_kind": pa.array(["human" if name == "human" else "model"] * len(rows)),
            "reason": pa.array(reason, type=pa.string()),
            "sample": pa.array(sample, type=pa.int32()),
            "provenance": pa.array(["simulated"] * len(rows)),
        }
    )


def _sides(left: NDArray[np.bool_]) -> pa.Array:
    return pa.array(np.where(left.ravel(), "left", "right"), type=pa.string())


def _judgment_table(world: SyntheticWorld, seed: int) -> pa.Table:
    rng, sources = stream(seed, "single"), world.sources
    workers = raters.distinct_workers(len(world.scenes), SINGLE_WORKERS, rng)
    ids = np.repeat(np.array(world.image_ids, dtype=object), SAMPLES)
    parts = []
    for name, (level, slope) in world.constants.singles.items():
        human = name == "human"
        utility = sources.truth if human else sources.judge
        yes = raters.single_answers(utility, rng, level=level, slope=slope)
        names = [f"simulated-worker-{n:03d}" for n in workers.ravel().tolist()]
        sample = np.zeros(yes.size) if human else np.tile(np.arange(SAMPLES), len(yes))
        parts.append(
            pa.table(
                {
                    "image_id": ids,
                    "rater_id": pa.array(names if human else [name] * yes.size),
                    "answer": yes.ravel(),
                    "rater_kind": pa.array(["human" if human else "model"] * yes.size),
                    "sample": pa.array(sample, type=pa.int32()),
                    "provenance": pa.array(["simulated"] * yes.size),
                }
            )
        )
    return pa.concat_tables(parts)


def _score_table(world: SyntheticWorld) -> pa.Table:
    parts: Sequence[pa.Table] = [
        pa.table(
            {
                "image_id": pa.array(world.image_ids),
                "name": pa.array([name] * len(world.image_ids)),
                "score": pa.array(values, type=pa.float64()),
                "provenance": pa.array(
                    [PLANTED if name == "true_utility" else "simulated"] * len(world.image_ids)
                ),
            }
        )
        for name, values in world.sources.scores.items()
    ]
    return pa.concat_tables(parts)
