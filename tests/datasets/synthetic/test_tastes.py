"""The planted truth has the moments that it claims."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.datasets.synthetic.scenes import (
    BACKGROUNDS,
    POPULATION,
    SKY_BY_LIGHT,
    SUBJECTS,
    synthetic_scenes,
)
from interestingness.datasets.synthetic.tastes import JUDGE, OWN, TRUTH, Taste, combine

SCENES = list(synthetic_scenes(77, 6000))


@pytest.mark.parametrize("name", ["truth", "judge", *OWN])
def test_tastes_are_standardised_over_the_population(name: str) -> None:
    taste = {"truth": TRUTH, "judge": JUDGE, **OWN}[name]
    values = taste.of(SCENES)
    assert values.mean() == pytest.approx(0, abs=0.06)
    assert values.std() == pytest.approx(1, abs=0.04)


def test_moments_are_exact_for_a_block_that_hangs_together() -> None:
    taste = Taste({"light": {"night": 1.0}, "sky": {"moon": 2.0}})
    night, moon = POPULATION["light"]["night"], SKY_BY_LIGHT["night"]["moon"]
    mean = night * (1 + 2 * moon)
    square = night * (moon * 9 + (1 - moon) * 1)
    assert taste.moments() == pytest.approx((mean, (square - mean**2) ** 0.5))


def test_combining_adds_standardised_tastes() -> None:
    both = combine((0.5, TRUTH), (-2.0, JUDGE))
    total = 0.5 * TRUTH.of(SCENES) - 2.0 * JUDGE.of(SCENES)
    np.testing.assert_allclose(both.of(SCENES), total / both.moments()[1], atol=1e-9)


def test_every_named_value_exists() -> None:
    known = {name: set(values) for name, values in POPULATION.items()}
    known["subject"], known["background"] = set(SUBJECTS), set(BACKGROUNDS)
    known["sky"] = {sky for skies in SKY_BY_LIGHT.values() for sky in skies}
    for taste in (TRUTH, JUDGE, *OWN.values()):
        for name, effects in taste.effects.items():
            assert set(effects) <= known[name], name


def test_truth_depends_on_meaning_and_on_looks() -> None:
    values = TRUTH.of(SCENES)

    def explained(name: str) -> float:
        groups: dict[str, list[float]] = {}
        for one, value in zip(SCENES, values, strict=True):
            groups.setdefault(one.value(name), []).append(value)
        return sum(len(g) * np.mean(g) ** 2 for g in groups.values()) / len(values)

    assert explained("subject") + explained("background") > 0.4
    assert explained("light") + explained("palette") + explained("colour") > 0.15
    assert explained("count") > 0.02
