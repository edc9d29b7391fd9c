import pytest

from interestingness.assembly.checks import check, effective, identity, targets
from interestingness.errors import ConfigError

ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1}


def test_finds_every_target_and_its_place() -> None:
    config = {"a": {"_target_": "x.Y", "b": [{"_target_": "x.Z"}]}, "c": {"_target_": None}}
    assert [path for path, _ in targets(config)] == ["a", "a.b[0]"]


def test_accepts_what_binds() -> None:
    check({"optimizer": ADAM})


def test_reports_all_problems_together() -> None:
    config = {
        "optimizer": {**ADAM, "learning_rate": 1},
        "label_source": {"_target_": "interestingness.labels.source.NoSuch"},
        "model": {"head": {"_target_": "os.system", "command": "true"}},
        "scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True},
    }
    with pytest.raises(ConfigError) as caught:
        check(config)
    text = str(caught.value)
    assert "4 option(s)" in text
    assert "no option 'learning_rate'" in text
    assert "NoSuch" in text
    assert "package 'os' is not trusted" in text
    assert "trust=[os]" in text
    assert "option 'step_size' is missing" in text


def test_trust_opens_a_package() -> None:
    node = {"x": {"_target_": "collections.Counter"}}
    with pytest.raises(ConfigError, match="not trusted"):
        check(node)
    check(node, trusted=("collections",))


def test_a_trusted_prefix_is_not_a_trusted_package() -> None:
    with pytest.raises(ConfigError, match="not trusted"):
        check({"x": {"_target_": "torchevil.run"}})


def test_effective_config_has_the_code_defaults_it_relies_on() -> None:
    config = effective({"optimizer": ADAM})
    assert config["optimizer"]["lr"] == 0.1
    assert config["optimizer"]["eps"] == 1e-08
    assert config["optimizer"]["betas"] == [0.9, 0.999]


def test_identity_ignores_where_files_lie_but_not_what_is_computed() -> None:
    base = {"seed": 0, "optimizer": ADAM, "paths": {"runs": "a"}, "logger": {"csv": {"x": 1}}}
    moved = {**base, "paths": {"runs": "b"}, "logger": {}, "skip_finished": True, "resume": "r"}
    base["trainer"] = {"accelerator": "auto", "devices": 1, "precision": None}
    moved["trainer"] = {"accelerator": "cpu", "devices": 2, "precision": None}
    prints = {"data": "d", "labels": "l"}
    assert identity(base, prints) == identity(moved, prints)
    assert identity(base, prints) != identity({**base, "seed": 1}, prints)
    assert identity(base, prints) != identity(base, {**prints, "labels": "other"})
    changed = {**base, "optimizer": {**ADAM, "lr": 0.2}}
    assert identity(base, prints) != identity(changed, prints)


def test_weights_are_known_by_content_not_by_name(tmp_path) -> None:
    from interestingness.assembly.prepare import files_of

    file = tmp_path / "weights.pt"
    file.write_bytes(b"one")
    node = {"backbone": {"weights": str(file)}, "head": {"hidden": 3}}
    before = files_of(node, "model")
    file.write_bytes(b"two")
    after = files_of(node, "model")
    assert set(before) == set(after) == {"model.backbone.weights"}
    assert before != after
    embedded = files_of({"backbone": {"weights": "embedded"}}, "model")
    assert set(embedded) == {"model.backbone.weights"}
    assert files_of({"backbone": {"weights": "hub"}}, "model") == {}


def test_a_cache_that_cannot_be_made_is_one_error(tmp_path) -> None:
    from interestingness.disk import writable_cache

    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        writable_cache(str(tmp_path / "file" / "cache"))
    assert writable_cache(str(tmp_path / "new")).is_dir()
