"""A planted linear taste over a random graph of pairs, with several label sources."""

from dataclasses import dataclass

import numpy as np
import pytest

from interestingness.schema import Pairs


@dataclass
class World:
    features: np.ndarray
    pairs: Pairs
    preference: np.ndarray
    weight: np.ndarray

    def differences(self, rows: np.ndarray) -> np.ndarray:
        return self.features[self.pairs.left[rows]] - self.features[self.pairs.right[rows]]

    def halves(self, kind: str, count: int) -> list[np.ndarray]:
        """Training rows of some splits, by image or by pair."""
        out = []
        for seed in range(count):
            rng = np.random.default_rng(seed)
            if kind == "image":
                side = rng.permutation(len(self.features)) < len(self.features) // 2
                mask = side[self.pairs.left] & side[self.pairs.right]
            else:
                mask = rng.permutation(len(self.pairs)) < len(self.pairs) // 2
            out.append(np.flatnonzero(mask))
        return out


def planted(images=120, dim=80, degree=6, sources=4, seed=0) -> World:
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(images, dim)) / np.sqrt(np.arange(1, dim + 1)) + 3).astype(
        np.float32
    )
    names = [f"i{k:04d}" for k in range(images)]
    one = rng.integers(0, images, degree * images // 2)
    other = (one + rng.integers(1, images, len(one))) % images
    pairs, _, _ = Pairs.from_ids([names[k] for k in one], [names[k] for k in other], names)
    margin = (features[pairs.left] - features[pairs.right]) @ rng.normal(size=(dim, sources))
    chance = 1 / (1 + np.exp(-2 * margin / margin.std(0)))
    preference = (chance > rng.random(chance.shape)).astype(float)
    return World(features, pairs, preference, np.ones_like(preference))


@pytest.fixture
def world() -> World:
    return planted()
