"""How often do the intervals of ``study=discrepancies`` hold 0 where there is no discrepancy?

    python benchmarks/discrepancy_coverage.py            # three minutes on one core

The simulated people of the synthetic data set are dealt to two halves of one taste, and one half is
held against the other: every lead and every difference is chance. Prints the share of nominal 95 %
intervals that hold 0; *images alone* is what resampling only the images of a cluster would give.

tiny: --halvings 1 --images 100
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from interestingness.data.feature_cache import FeatureCache
from interestingness.data.splits import by_image
from interestingness.datasets.synthetic import prepare_synthetic
from interestingness.labels.votes import VoteSource
from interestingness.models.backbones import AttributesBackbone, SceneClipBackbone
from interestingness.progress import ProgressLine
from interestingness.stats.clusters import cut, ward_tree
from interestingness.stats.effects import choice_effects, linear_effects
from interestingness.studies.discrepancy_clusters import Sides, mean_rank
from interestingness.studies.embedding import TfidfEmbedder, text_vectors
from interestingness.studies.held_out_ranks import both_ways, held_out_ranks
from interestingness.studies.study import ImageFeatures
from interestingness.studies.texts import descriptions

CLUSTERS = (18, 70)
SPLITS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--halvings", type=int, default=30)
    parser.add_argument("--images", type=int, default=1000)
    args = parser.parse_args()
    held: dict[str, list[bool]] = {}

    def note(name: str, intervals: object) -> None:
        for one in intervals:  # type: ignore[attr-defined]
            if not np.isnan(one.low):
                held.setdefault(name, []).append(one.low <= 0 <= one.high)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tables = prepare_synthetic(
            root / "data", images=args.images, degree=5, image_size=64, seed=0
        )
        pairs, cache = tables.pairs, FeatureCache(root / "features")
        paths = [tables.image_path(row) for row in range(len(tables.image_ids))]
        backbone = SceneClipBackbone(weights="embedded")
        values, present = cache.features(paths, backbone, progress=ProgressLine())
        features = ImageFeatures(np.asarray(values), present, backbone.contract, "")
        attributes, _ = cache.features(paths, AttributesBackbone(names=None))
        texts = descriptions(tables, ["description"])
        line = ProgressLine("halving")
        vectors = text_vectors(TfidfEmbedder(), texts.text, cache=root, progress=line)
        tree = ward_tree(vectors)
        people = np.array(tables.votes(kind="human").raters)
        dealt = [
            by_image(pairs, tables.images, train=0.5, validation=0.0, test=0.5, seed=seed)
            for seed in range(SPLITS)
        ]
        splits = both_ways(dealt, pairs)
        for halving in range(args.halvings):
            order = np.random.default_rng(halving).permutation(people)
            halves = [
                VoteSource(tables, name="half", raters=who, kind="human", aggregation="share")
                for who in (order[::2].tolist(), order[1::2].tolist())
            ]
            ranks = [held_out_ranks(s, features, pairs, splits, seed=halving) for s in halves]
            sides = Sides(*(half.labels(pairs).preference for half in halves), *ranks)
            for count in CLUSTERS:
                cluster = cut(tree, clusters=count)
                rows = [texts.image[cluster == k] for k in range(count)]
                refits = sides.lead_refits
                nothing = np.zeros((len(sides.lead), 2))
                note(
                    f"lead of {count} clusters",
                    [mean_rank(sides.lead[r], *(refit[r] for refit in refits)) for r in rows],
                )
                note(
                    f"lead of {count} clusters, images alone",
                    [mean_rank(sides.lead[r], nothing[r], nothing[r]) for r in rows],
                )
            found = linear_effects(
                attributes, sides.lead, seed=halving, refits=sides.lead_refits, repeats=200
            )
            note("lead on attributes, together", found.together)
            note("lead on attributes, alone", found.alone)
            short = linear_effects(attributes, sides.lead, seed=halving, repeats=200)
            note("lead on attributes, together, images alone", short.together)
            choices = choice_effects(
                attributes, pairs.left, pairs.right, sides.reference, sides.source
            )
            note("difference of weights in choices", choices.difference)
            line(halving + 1, args.halvings)
        line.close()
    print(f"{args.halvings} halvings of {len(people)} simulated people, {len(pairs)} pairs")
    for name, known in held.items():
        print(f"{name:<45} {np.mean(known):6.1%} of {len(known)}")


if __name__ == "__main__":
    main()
