"""A simulated sharing site: what is seen often is marked often, whatever it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from interestingness.schema import Array, Pairs
from interestingness.stats.pair_choice import next_pairs
from interestingness.tables.tables import Manifest, Tables

CONTENT, STYLE, NOISE = 16, 16, 16
"""Features that carry quality, features that an owner's images share, and features of nothing."""
NEWEST = date(2026, 1, 1)
SIMULATED = "Simulated: owners, images, views and favourites are formulas; no site was asked."


@dataclass(frozen=True, eq=False)
class Site:
    """Images, and what their owners' followers made of them.

    Attributes:
        features: shape (images, CONTENT + STYLE + NOISE).
        quality: linear in the content features, variance 1, shape (images,).
        popularity: log number of the owner's followers, standardised, shape (images,).
        owner: number of each image's owner, shape (images,).
        days: since upload, shape (images,).
        views: how often each image was seen, shape (images,).
        favorites: how often of these it was marked, shape (images,).
    """

    features: Array
    quality: Array
    popularity: Array
    owner: NDArray[np.int64]
    days: Array
    views: NDArray[np.int64]
    favorites: NDArray[np.int64]

    @classmethod
    def draw(cls, images: int, owners: int, rng: np.random.Generator, *, talent: float) -> Site:
        """Owners with followers and a style that tells who is popular; a few own many images.

        Args:
            images, owners: how many.
            rng: the source of randomness.
            talent: share of the variance of quality that is the owner's; talented owners have
                more followers. In [0, 1).

        Views grow with followers and age and have heavy tails. A view becomes a favourite with a
        probability that grows with quality, with how fond followers are of the owner, and with
        age, because late viewers come by recommendation.
        """
        owner = (owners * rng.random(images) ** 1.5).astype(np.int64)
        followers = rng.normal(size=owners)
        style = rng.normal(size=(owners, STYLE))
        popular = rng.normal(size=STYLE) / np.sqrt(STYLE)
        followers = 0.8 * (style @ popular) / np.linalg.norm(popular) + 0.6 * followers
        weights = rng.normal(size=CONTENT)
        weights /= np.linalg.norm(weights)
        gift = np.sqrt(talent / (1 - talent)) * (0.8 * followers + 0.6 * rng.normal(size=owners))
        content = rng.normal(size=(images, CONTENT)) + np.outer(gift[owner], weights)
        quality = np.sqrt(1 - talent) * content @ weights
        features = np.hstack(
            [
                content,
                style[owner] + 0.5 * rng.normal(size=(images, STYLE)),
                rng.normal(size=(images, NOISE)),
            ]
        )
        days = np.exp(rng.uniform(np.log(5), np.log(2000), size=images))
        aged = np.log(days / 100)
        seen = 4.5 + 1.1 * followers[owner] + 0.4 * aged + 0.6 * rng.normal(size=images)
        views = rng.poisson(np.exp(seen))
        fond = 0.6 * followers + 0.4 * rng.normal(size=owners)
        rate = expit(
            -3.2 + 0.6 * quality + fond[owner] + 0.15 * aged + 0.3 * rng.normal(size=images)
        )
        favorites = rng.binomial(views, rate)
        return cls(features, quality, followers[owner], owner, days, views, favorites)

    def tables(self, root: Path, rows: NDArray[np.int64], *, degree: int, seed: int) -> Tables:
        """The chosen images as a data set with random pairs and the scores of the site."""
        names = [f"{i:05d}" for i in rows.tolist()]
        chosen = next_pairs(
            [], [], [], images=len(rows), pairs=len(rows) * degree // 2, seed=seed, random_share=1
        )
        left = [names[i] for i in chosen.left.tolist()]
        right = [names[i] for i in chosen.right.tolist()]
        pairs = Pairs.from_ids(left, right, names)[0]
        uploaded = [NEWEST - timedelta(days=float(d)) for d in self.days[rows]]
        scores = {"views": self.views[rows], "favorites": self.favorites[rows]}
        return Tables.write(
            root,
            Manifest("popularity", "synthetic", SIMULATED),
            {
                "images": pa.table(
                    {
                        "image_id": names,
                        "owner": [f"owner {o}" for o in self.owner[rows].tolist()],
                        "uploaded": pa.array(uploaded, pa.date32()),
                    }
                ),
                "pairs": pa.table({"pair_id": pairs.pair_ids, "left": left, "right": right}),
                "scores": pa.table(
                    {
                        "image_id": names * 2,
                        "name": np.repeat(list(scores), len(rows)).tolist(),
                        "score": np.concatenate(list(scores.values())).astype(np.float64),
                    }
                ),
            },
        )
