"""Our preprocessing against that of the libraries whose weights we use, bit for bit."""

import numpy as np
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from timm.data import create_transform
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from interestingness.errors import WeightsError
from interestingness.models.contract import EmbeddingContract
from interestingness.models.preprocessing import ResizeCropNormalise

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIZES = [(320, 256), (255, 321), (224, 224), (500, 333), (37, 41), (640, 101), (100, 640), (64, 64)]


def picture(width, height):
    rng = np.random.default_rng(width * 1000 + height)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.integers(0, 20, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(np.asarray(smooth) // 2 + noise)


def contract(**values):
    given = {"image_size": 64, "resize": "shortest", "resize_size": 64, "mean": MEAN, "std": STD}
    return EmbeddingContract("test", "test", "0", 8, **{**given, **values})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_equals_open_clip(size, interpolation):
    theirs = image_transform(64, is_train=False, mean=MEAN, std=STD, interpolation=interpolation)
    ours = ResizeCropNormalise(contract(interpolation=interpolation))
    assert torch.equal(ours(picture(*size)), theirs(picture(*size)))


@pytest.mark.parametrize("size", SIZES)
def test_equals_open_clip_where_it_squashes(size):
    theirs = image_transform(64, is_train=False, mean=MEAN, std=STD, resize_mode="squash")
    ours = ResizeCropNormalise(contract(resize="squash"))
    assert torch.equal(ours(picture(*size)), theirs(picture(*size)))


@pytest.mark.parametrize("size", SIZES)
def test_equals_timm(size):
    theirs = create_transform(
        (3, 60, 60), is_training=False, mean=MEAN, std=STD, interpolation="bicubic", crop_pct=0.875
    )
    ours = ResizeCropNormalise(contract(image_size=60, resize_size=68))
    assert torch.equal(ours(picture(*size)), theirs(picture(*size)))


@pytest.mark.parametrize("size", SIZES)
def test_equals_torchvision(size):
    theirs = ImageClassification(
        crop_size=56, resize_size=64, mean=MEAN, std=STD, interpolation=InterpolationMode.BILINEAR
    )
    ours = ResizeCropNormalise(contract(image_size=56, interpolation="bilinear"))
    assert torch.equal(ours(picture(*size)), theirs(picture(*size)))


def test_a_stack_is_the_single_pictures():
    ours = ResizeCropNormalise(contract())
    pictures = [picture(*size) for size in SIZES[:3]]
    stack = ours.normalise(torch.stack([ours.pixels(p) for p in pictures]))
    assert stack.shape == (3, 3, 64, 64)
    assert torch.equal(stack, torch.stack([ours(p) for p in pictures]))


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (60_000, 30)])
def test_a_strip_needs_no_giant_intermediate(size):
    # 1 x 5000 pixels, short side to 64, would be 64 x 320 000 before the centre is cut out.
    strip = Image.new("RGB", size, (200, 100, 50))
    strip.paste((10, 20, 30), (0, 0, 1, 1))
    pixels = ResizeCropNormalise(contract()).pixels(strip)
    assert pixels.shape == (64, 64, 3)
    assert pixels.reshape(-1, 3).unique(dim=0).tolist() == [[200, 100, 50]]


@pytest.mark.parametrize("values", [{"resize": "longest"}, {"interpolation": "lanczos"}])
def test_a_rule_that_we_do_not_reproduce_is_refused(values):
    with pytest.raises(WeightsError):
        ResizeCropNormalise(contract(**values))
