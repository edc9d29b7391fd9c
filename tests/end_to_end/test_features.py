"""``interestingness features``: parts of the images, encoded beforehand by whoever has time."""

from pathlib import Path

import pytest

from interestingness.assembly.run import train
from interestingness.commands.features import extract
from interestingness.data.feature_cache import FeatureCache
from interestingness.errors import ConfigError

SMALL = ["dataset.images=60", "model.backbone.weights=random"]


def test_training_finds_what_parts_have_encoded(composed, tmp_path: Path, monkeypatch) -> None:
    def fresh(door: str, *overrides: str):
        cfg = composed(door, *SMALL, *overrides)
        cfg.paths.cache = str(tmp_path / "fresh")
        return cfg

    found = [extract(fresh("features", f"part={index}/4")) for index in range(3)]
    assert [part["images"] for part in found] == [part["encoded"] for part in found] == [15] * 3
    assert extract(fresh("features", "part=0/4")) == {
        "images": 15,
        "encoded": 0,
        "unreadable": 0,
    }
    caches = []
    made = FeatureCache.__init__
    monkeypatch.setattr(
        FeatureCache,
        "__init__",
        lambda self, *a, **k: (made(self, *a, **k), caches.append(self))[0],
    )
    train(fresh("train", "trainer.max_epochs=1", "trainer.accelerator=cpu"))
    assert [cache.encoded for cache in caches] == [15]  # the part that never came


def test_an_unreadable_image_is_told_and_counted(composed, tmp_path: Path, capsys) -> None:
    cfg = composed("features", *SMALL)
    cfg.paths.cache = str(tmp_path / "fresh")
    extract(cfg)
    victim = next((tmp_path / "fresh" / "datasets").glob("*/images/*"))
    victim.write_bytes(b"no picture")
    assert extract(cfg)["unreadable"] == 1
    said = capsys.readouterr().out
    assert f"left out   {victim}" in said and "60 images: 0 encoded" in said


def test_several_processes_are_told_to_take_parts(composed) -> None:
    with pytest.raises(ConfigError, match="this command is one process"):
        extract(composed("features", *SMALL, "trainer=ddp_cpu"))


@pytest.mark.parametrize("part", ["4/4", "x", "1/0"])
def test_a_part_that_is_none(composed, part: str) -> None:
    with pytest.raises(ConfigError, match="part"):
        extract(composed("features", *SMALL, f"part='{part}'"))
