"""Colour on planted pictures whose values are known."""

import numpy as np
import pytest
from skimage.color import hsv2rgb, rgb2lab

from interestingness.stats.attributes import colour


def even(*rgb):
    return np.broadcast_to(np.array(rgb, dtype=float), (20, 30, 3)).copy()


def halves(one, other):
    picture = even(*one)
    picture[:, 15:] = other
    return picture


@pytest.mark.parametrize("grey", [0.0, 0.3, 1.0])
def test_grey_has_no_colour(grey):
    picture = even(grey, grey, grey)
    assert colour.colourfulness(picture) == pytest.approx(0, abs=1e-9)
    assert colour.saturation(picture) == pytest.approx(0, abs=1e-12)
    assert colour.hue_diversity(rgb2lab(picture)) == 0
    assert colour.warmth(rgb2lab(picture)) == pytest.approx(0, abs=0.02)


def test_colourfulness_of_one_and_of_two_colours_by_hand():
    # red alone: rg = 255, yb = 127.5 everywhere, no spread
    assert colour.colourfulness(even(1, 0, 0)) == pytest.approx(0.3 * np.hypot(255, 127.5))
    # red and green halves: rg = ±255 (mean 0, sd 255), yb = 127.5
    two = colour.colourfulness(halves((1, 0, 0), (0, 1, 0)))
    assert two == pytest.approx(255 + 0.3 * 127.5)
    assert two < 320


def test_colourfulness_falls_as_a_picture_fades_to_grey():
    rng = np.random.default_rng(0)
    full = rng.random((40, 40, 3))
    grey = full.mean(axis=-1, keepdims=True)
    values = [colour.colourfulness(share * full + (1 - share) * grey) for share in (1, 0.5, 0.1)]
    assert values[1] == pytest.approx(values[0] / 2) and values[2] == pytest.approx(values[0] / 10)


@pytest.mark.parametrize("wanted", [0.0, 0.25, 1.0])
def test_saturation_is_that_of_hsv(wanted):
    hue = np.linspace(0, 1, 50)
    picture = hsv2rgb(np.stack([hue, np.full(50, wanted), np.full(50, 0.6)], axis=-1)[None])
    assert colour.saturation(picture) == pytest.approx(wanted)


def test_hue_diversity_counts_hues_alike():
    # four hues in quarters of equal chroma: entropy ln 4 of ln 24
    angle = np.repeat(np.radians([10, 100, 190, 280]), 25)
    lab = np.stack([np.full(100, 50.0), 30 * np.cos(angle), 30 * np.sin(angle)], axis=-1)[None]
    assert colour.hue_diversity(lab) == pytest.approx(np.log(4) / np.log(24))
    assert colour.hue_diversity(lab[:, :25]) == 0
    all_hues = np.linspace(-np.pi, np.pi, 2400, endpoint=False) + 1e-6
    circle = np.stack([np.full(2400, 50.0), 30 * np.cos(all_hues), 30 * np.sin(all_hues)], axis=-1)
    assert colour.hue_diversity(circle[None]) == pytest.approx(1, abs=1e-3)


def test_hue_noise_of_near_grey_pictures_does_not_count():
    noise = np.random.default_rng(1).normal(0, 1, (30, 30, 3))
    noise[..., 0] = 50
    assert colour.hue_diversity(noise) == 0


def test_warm_is_positive_and_cold_is_negative():
    assert colour.warmth(rgb2lab(even(1, 0.6, 0.1))) > 40
    assert colour.warmth(rgb2lab(even(0.1, 0.3, 1))) < -40


def test_brightness_and_contrast_of_black_white_and_half():
    black, white = (rgb2lab(even(v, v, v))[..., 0] for v in (0, 1))
    half = rgb2lab(halves((0, 0, 0), (1, 1, 1)))[..., 0]
    assert colour.brightness(black) == pytest.approx(0, abs=1e-3)
    assert colour.brightness(white) == pytest.approx(100, abs=1e-3)
    assert colour.contrast(white) == pytest.approx(0, abs=1e-9)
    assert colour.brightness(half) == pytest.approx(50, abs=1e-3)
    assert colour.contrast(half) == pytest.approx(50, abs=1e-3)
