"""The study of what favourites teach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engagement import WAYS, WORLDS, Engagement
from simulations.sites import CONTENT, Site

from interestingness.stats.bootstrap import Interval
from interestingness.stats.correlation import spearman


@pytest.fixture(scope="module")
def site() -> Site:
    return Site.draw(2000, 100, np.random.default_rng(0), talent=0.0)


def test_favourites_follow_fame_and_rates_less_so(site: Site) -> None:
    rate = site.favorites / np.maximum(site.views, 1)
    assert spearman(site.favorites, site.popularity) > 0.6
    assert spearman(rate, site.quality) > spearman(site.favorites, site.quality) + 0.1
    assert abs(spearman(site.quality, site.popularity)) < 0.1
    assert (site.favorites <= site.views).all()


def test_quality_is_in_the_content_features_alone_and_of_variance_one(site: Site) -> None:
    rest = np.linalg.lstsq(site.features[:, :CONTENT], site.quality, rcond=None)[0]
    np.testing.assert_allclose(site.features[:, :CONTENT] @ rest, site.quality, atol=1e-9)
    assert site.quality.std() == pytest.approx(1, abs=0.06)


def test_talented_owners_have_followers_where_the_world_says_so() -> None:
    gifted = Site.draw(4000, 400, np.random.default_rng(1), talent=0.3)
    assert spearman(gifted.quality, gifted.popularity) > 0.25
    assert gifted.quality.std() == pytest.approx(1, abs=0.1)


def test_tables_of_a_site_hold_its_scores_by_image(site: Site, tmp_path: Path) -> None:
    rows = np.arange(50, 90)
    tables = site.tables(tmp_path, rows, degree=4, seed=0)
    np.testing.assert_array_equal(tables.scores("views"), site.views[rows])
    np.testing.assert_array_equal(tables.scores("favorites"), site.favorites[rows])
    assert tables.images["owner"].to_pylist() == [f"owner {o}" for o in site.owner[rows]]
    assert len(tables.pairs) == 80 and tables.manifest.simulated


def test_a_small_run_has_every_way_in_every_world_and_corrects() -> None:
    result = Engagement(2, images=300, owners=30, degree=8).run(0)
    rows = result.tables[0].rows
    assert [(r["world"], r["source"]) for r in rows] == [
        (world, name) for world, _ in WORLDS for name, _, _ in WAYS
    ]
    assert result.simulated

    def mean(world: str, source: str, measure: str) -> float:
        cell = next(r[measure] for r in rows if (r["world"], r["source"]) == (world, source))
        assert isinstance(cell, Interval)
        return cell.estimate

    for better, worse in (("rate", "favourites"), ("rate, age, owner", "rate")):
        assert mean("luck", better, "labels_quality") > mean("luck", worse, "labels_quality")
        assert mean("luck", better, "labels_popularity") < mean("luck", worse, "labels_popularity")


@pytest.mark.parametrize(
    "change", [{"repetitions": 1}, {"owners": 9}, {"images": 100}, {"degree": 0}]
)
def test_numbers_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Engagement(**change)
