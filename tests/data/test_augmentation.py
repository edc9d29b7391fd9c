import numpy as np
import pytest
from PIL import Image

from interestingness.data.augmentation import Augmentation, FlipAndCrop, enough_for, random_of
from interestingness.errors import ConfigError


def gradient(width: int = 120, height: int = 80) -> Image.Image:
    """Red tells the column, green the row; blue is the same everywhere."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(width)[None], np.arange(height)[:, None]
    pixels[..., 2] = 77
    return Image.fromarray(pixels)


def views(augmentation: FlipAndCrop, count: int = 200) -> list[np.ndarray]:
    return [
        np.asarray(augmentation.view(gradient(), random_of(0, epoch, "a"))).astype(int)
        for epoch in range(count)
    ]


def test_a_view_is_a_part_of_the_picture_perhaps_mirrored_in_its_own_colours() -> None:
    original = np.asarray(gradient()).astype(int)
    sizes, mirrored = set(), 0
    for seen in views(FlipAndCrop(flip=0.5, crop=0.2)):
        if seen[0, 0, 0] > seen[0, -1, 0]:
            mirrored, seen = mirrored + 1, seen[:, ::-1]
        height, width = seen.shape[:2]
        top, left = seen[0, 0, 1], seen[0, 0, 0]
        assert np.array_equal(seen, original[top : top + height, left : left + width])
        assert 96 <= width <= 120 and 64 <= height <= 80
        assert abs(width / height - 1.5) < 0.03
        sizes.add(width)
    assert 70 < mirrored < 130
    assert len(sizes) > 15


def test_nothing_asked_for_changes_nothing_and_colour_only_when_asked_for() -> None:
    original = np.asarray(gradient())
    assert all(np.array_equal(v, original) for v in views(FlipAndCrop(flip=0, crop=0), 5))
    toned = views(FlipAndCrop(flip=0, crop=0, colour=0.3), 5)
    assert not any(np.array_equal(view, original) for view in toned)


def test_a_view_depends_on_seed_epoch_and_image_only() -> None:
    first = random_of(1, 2, "a").random(4).tolist()
    assert random_of(1, 2, "a").random(4).tolist() == first
    others = [(0, 2, "a"), (1, 3, "a"), (1, 2, "b"), (12, 0, "a")]
    assert all(random_of(*other).random(4).tolist() != first for other in others)


@pytest.mark.parametrize(
    "bad", [{"flip": 2, "crop": 0}, {"flip": 0, "crop": 0.9}, {"flip": 0, "crop": 0, "colour": 1}]
)
def test_impossible_shares(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="augmentation"):
        FlipAndCrop(**bad)


def test_a_view_needs_half_as_many_pixels_again_as_are_seen_of_it() -> None:
    assert enough_for(FlipAndCrop(flip=0.5, crop=0.0), 224) == 336
    assert enough_for(FlipAndCrop(flip=0.5, crop=0.5), 224) == 672
    assert enough_for(None, 224) is None
    assert enough_for(FlipAndCrop(flip=0.5, crop=0.1), None) is None

    class Unknown(Augmentation):
        def view(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
            return image

    assert enough_for(Unknown(), 224) is None
