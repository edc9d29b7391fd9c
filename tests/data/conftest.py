"""Twenty pictures and an empty cache of features."""

import pytest
from counting import make_images

from interestingness.data import content
from interestingness.data.feature_cache import FeatureCache


@pytest.fixture
def paths(tmp_path):
    return make_images(tmp_path / "images", 20)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


@pytest.fixture
def settled(monkeypatch):
    """Files count as old as soon as they are written, so that their keys are remembered."""
    monkeypatch.setattr(content, "YOUNG_NS", -(10**18))
