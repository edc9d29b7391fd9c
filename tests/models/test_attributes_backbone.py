"""Measured attributes as a backbone: the whole picture in its proportions."""

import numpy as np
import pytest
from PIL import Image

from interestingness.errors import ConfigError
from interestingness.models.backbone import check_domain
from interestingness.models.backbones import AttributesBackbone
from interestingness.models.backbones.attributes import OUTSIDE
from interestingness.stats.attributes.catalogue import NAMES, measured
from interestingness.testing import contract_pictures


def test_features_are_the_measurements_of_the_whole_picture():
    backbone = AttributesBackbone(names=None)
    wide = contract_pictures(1)[0]
    inside = np.asarray(wide.resize((256, 144), Image.Resampling.BICUBIC)) / np.float32(255)
    found = backbone(backbone.transform(wide)[None])[0].numpy()
    np.testing.assert_allclose(found, measured(inside), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "shape"), [((160, 90), (144, 256)), ((80, 200), (256, 102)), ((40, 1), (8, 256))]
)
def test_the_canvas_says_where_the_picture_ends(size, shape):
    stack = AttributesBackbone(names=None).transform(Image.new("RGB", size, (10, 20, 30)))
    inside = stack[0] != OUTSIDE
    assert (int(inside[:, 0].sum()), int(inside[0].sum())) == shape
    assert int(inside.sum()) == shape[0] * shape[1]


def test_other_attributes_are_other_features():
    all_, two = AttributesBackbone(names=None), AttributesBackbone(names=["contrast", "warmth"])
    assert two.dim == 2 and all_.dim == len(NAMES)
    assert two.fingerprint() != all_.fingerprint()
    other = AttributesBackbone(names=["warmth", "contrast"])
    assert other.fingerprint() != two.fingerprint()


def test_any_pictures_may_be_measured():
    backbone = AttributesBackbone(names=None)
    assert check_domain(backbone, "photographs") is None
    assert check_domain(backbone, "synthetic") is None


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="vividness"):
        AttributesBackbone(names=["vividness"])
