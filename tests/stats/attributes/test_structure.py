"""Edges and detail on planted pictures: even, gradient, stripes, chequers, noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from interestingness.stats.attributes import structure

SIDE = 96
EVEN = np.full((SIDE, SIDE), 0.5)
GRADIENT = np.broadcast_to(np.linspace(0, 1, SIDE), (SIDE, SIDE)).copy()


def chequers(cell):
    row, column = np.indices((SIDE, SIDE)) // cell
    return ((row + column) % 2).astype(float)


def stripes(degrees, period=16.0):
    y, x = np.indices((SIDE, SIDE))
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    return 0.5 + 0.4 * np.sin(2 * np.pi * along / period)


def noise(seed=0):
    return np.random.default_rng(seed).random((SIDE, SIDE))


def colour(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


def test_an_even_picture_has_nothing():
    assert structure.entropy(EVEN) == 0
    assert structure.sharpness(EVEN) == pytest.approx(0, abs=1e-9)
    assert structure.edge_density(EVEN) == 0
    assert structure.coherence(EVEN) == 0
    assert structure.obliqueness(EVEN) == 0.5
    assert structure.symmetry(EVEN) == 1


def test_entropy_of_two_and_of_256_levels():
    assert structure.entropy(chequers(8)) == pytest.approx(1)
    levels = np.repeat(np.arange(256) / 255, 16).reshape(64, 64)
    assert structure.entropy(levels) == pytest.approx(8)


def test_a_gradient_is_not_sharp_and_has_no_edges():
    inside = GRADIENT[8:-8, 8:-8]
    assert structure.edge_density(GRADIENT) == 0
    assert structure.sharpness(inside) < 1 < structure.sharpness(chequers(8))


def test_sharpness_of_the_finest_chequers_is_the_upper_bound():
    # inside, each Laplacian is ±4 · 255; reflection at the border makes some smaller
    found = structure.sharpness(chequers(1))
    assert 5.9 < found < np.log10(1 + (4 * 255) ** 2) < 6.1


def test_blurring_makes_less_sharp():
    crisp = noise()
    values = [structure.sharpness(gaussian_filter(crisp, sigma)) for sigma in (0.5, 1, 2, 4)]
    assert values == sorted(values, reverse=True)


def test_more_cells_more_edges():
    few, many = structure.edge_density(chequers(32)), structure.edge_density(chequers(8))
    assert 0 < 2 * few < many < 1


def test_jpeg_ratio_orders_even_gradient_and_noise():
    pictures = (EVEN, GRADIENT, noise())
    even, gradient, noisy = (structure.jpeg_ratio(colour(picture)) for picture in pictures)
    assert 0 < even < gradient < noisy < 1
    assert even < 0.03 < 0.15 < noisy


@pytest.mark.parametrize(("degrees", "wanted"), [(0, 0), (90, 0), (45, 1), (135, 1), (12, 0)])
def test_obliqueness_of_stripes(degrees, wanted):
    assert structure.obliqueness(stripes(degrees)) == pytest.approx(wanted, abs=0.12)


def test_obliqueness_of_noise_is_about_half():
    assert structure.obliqueness(noise()) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 150])
def test_stripes_of_any_direction_cohere(degrees):
    assert structure.coherence(stripes(degrees)) > 0.9


def test_noise_and_crossed_stripes_do_not_cohere():
    assert structure.coherence(noise()) < 0.1
    assert structure.coherence((stripes(0) + stripes(90)) / 2) < 0.1


def test_blur_by_motion_raises_coherence():
    still = noise()
    moved = gaussian_filter(still, (0.3, 6))
    assert structure.coherence(moved) > 0.8 > structure.coherence(still)


def test_symmetry_of_mirrored_and_negative_halves():
    half = noise()[:, : SIDE // 2]
    assert structure.symmetry(np.hstack([half, half[:, ::-1]])) == pytest.approx(1)
    centred = half - half.mean()
    assert structure.symmetry(np.hstack([centred, -centred[:, ::-1]])) == pytest.approx(-1)
    assert abs(structure.symmetry(noise())) < 0.1
