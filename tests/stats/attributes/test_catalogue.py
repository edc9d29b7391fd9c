"""All attributes together: ranges, names, order, faces, novelty."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from skimage.data import astronaut

from interestingness.errors import ConfigError, DataError
from interestingness.stats.attributes.catalogue import (
    ATTRIBUTES,
    FACES,
    NAMES,
    attributes_named,
    measured,
)
from interestingness.stats.attributes.novelty import novelty


def pictures():
    rng = np.random.default_rng(0)
    yield rng.random((40, 60, 3))
    yield np.zeros((8, 200, 3))
    yield np.ones((200, 8, 3))
    primaries = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1.0]])
    yield primaries[rng.integers(0, 6, (64, 64))]
    yield (np.indices((64, 64)).sum(axis=0) % 2)[..., None].repeat(3, axis=2).astype(float)


def test_every_number_is_in_its_range_on_extreme_pictures():
    for picture in pictures():
        values = measured(picture)
        for attribute, value in zip(ATTRIBUTES, values, strict=True):
            assert attribute.low - 1e-6 <= value <= attribute.high + 1e-6, attribute.name


def test_names_are_distinct_and_choose_in_order():
    assert len(set(NAMES)) == len(ATTRIBUTES) == 13
    picture = next(pictures())
    chosen = attributes_named(["contrast", "colourfulness"])
    by_name = dict(zip(NAMES, measured(picture), strict=True))
    expected = [by_name["contrast"], by_name["colourfulness"]]
    np.testing.assert_array_equal(measured(picture, chosen), expected)
    assert attributes_named(None) == ATTRIBUTES
    assert attributes_named(["faces"]) == (FACES,)


@pytest.mark.parametrize("names", [["colour"], ["contrast", "contrast"], []])
def test_a_name_that_nobody_measures_is_refused(names):
    with pytest.raises(ConfigError, match="colourfulness"):
        attributes_named(names)


def test_one_face_is_found_and_none_in_noise():
    face = astronaut()[:256, 96:352] / 255  # a public-domain portrait that scikit-image ships
    assert measured(face, [FACES])[0] == 1
    assert measured(next(pictures()), [FACES])[0] == 0
    assert measured(np.zeros((8, 200, 3)), [FACES])[0] == 0


def test_novelty_is_the_mean_distance_to_the_others():
    features = np.random.default_rng(2).normal(size=(30, 7))
    distance = cdist(features, features, "cosine")
    np.testing.assert_allclose(novelty(features), distance.sum(axis=1) / 29)
    np.fill_diagonal(distance, np.inf)
    nearest = np.sort(distance, axis=1)[:, :4].mean(axis=1)
    np.testing.assert_allclose(novelty(features, neighbours=4), nearest)


def test_the_odd_one_out_is_novel_and_doubles_are_not():
    features = np.tile([1.0, 0.0], (6, 1)) + np.random.default_rng(3).normal(0, 0.05, (6, 2))
    features[2] = [0, 1]
    features[5] = 3 * features[4]  # another length, the same direction
    assert novelty(features).argmax() == 2
    assert novelty(features, neighbours=1)[4:] == pytest.approx([0, 0], abs=1e-12)


def test_an_image_without_direction_is_at_distance_one():
    assert novelty(np.array([[0.0, 0], [1, 0], [1, 0]])) == pytest.approx([1, 0.5, 0.5])


@pytest.mark.parametrize(("images", "neighbours"), [(1, None), (5, 5), (5, 0)])
def test_too_few_images_are_an_error(images, neighbours):
    with pytest.raises(DataError):
        novelty(np.ones((images, 3)), neighbours=neighbours)
