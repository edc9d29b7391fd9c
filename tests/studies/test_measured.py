"""Measured attributes of a data set: pictures, scores, novelty, and what cannot be measured."""

import numpy as np
import pytest

from interestingness.stats.attributes.catalogue import NAMES
from interestingness.stats.attributes.novelty import novelty
from interestingness.studies.measured import measure


@pytest.fixture
def measured(synthetic_material):
    return measure(synthetic_material, attributes=None, scores=["aesthetic"])


def test_pictures_scores_and_novelty_are_columns_of_one_table(synthetic_material, measured):
    assert measured.names == (*NAMES, "novelty", "aesthetic")
    assert measured.values.shape == (80, len(measured.names)) and len(measured.units) == 15
    used = np.zeros(80, dtype=bool)
    used[synthetic_material.pairs.images_used()] = True
    np.testing.assert_array_equal(np.isfinite(measured.values[:, 0]), used)
    np.testing.assert_allclose(
        measured.values[:, -2], novelty(synthetic_material.features.values.astype(float))
    )
    np.testing.assert_array_equal(
        measured.values[:, -1], synthetic_material.tables.scores("aesthetic")
    )


def test_black_and_white_scenes_have_no_colour(synthetic_material, measured):
    palette = np.array(synthetic_material.tables.images["palette"].to_pylist())
    colour = measured.values[:, NAMES.index("colourfulness")]
    by_palette = {name: np.nanmean(colour[palette == name]) for name in np.unique(palette)}
    assert by_palette["monochrome"] < 5 < by_palette["natural"] < by_palette["vivid"]


def test_measurements_are_kept(synthetic_material, measured, monkeypatch):
    def again(*_):
        raise AssertionError("measured twice")

    monkeypatch.setattr("interestingness.stats.attributes.catalogue.measured", again)
    found = measure(synthetic_material, attributes=None, scores=[])
    np.testing.assert_array_equal(found.values[:, :13], measured.values[:, :13])


def test_unreadable_pictures_are_counted_and_left_out(synthetic_material, tmp_path, monkeypatch):
    tables, used = synthetic_material.tables, synthetic_material.pairs.images_used()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    real = tables.image_path
    monkeypatch.setattr(
        type(tables), "image_path", lambda _, row: broken if row == used[3] else real(row)
    )
    found = measure(synthetic_material, attributes=["contrast"], scores=[])
    assert np.isnan(found.values[used[3], 0]) and np.isfinite(found.values[used[4], 0])
    assert found.notes == (f"1 of {len(used)} images could not be read and measured",)


def test_neighbours_change_novelty(synthetic_material):
    near = measure(synthetic_material, attributes=["contrast"], scores=[], neighbours=3)
    far = measure(synthetic_material, attributes=["contrast"], scores=[])
    assert (near.values[:, 1] <= far.values[:, 1] + 1e-12).all()
