"""Old names of options are refused with the new one; old names of classes in records still load."""

from __future__ import annotations

from pathlib import Path

import pytest

from interestingness.assembly.checks import check, identity
from interestingness.errors import ConfigError
from interestingness.runs import renamed
from interestingness.runs.renamed import refuse_renamed, with_new_names

OLD, NEW = "interestingness.old_room.heads.", "interestingness.models.heads."
HEAD = "interestingness.models.heads.MLPHead"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, "CLASSES", {OLD: NEW})
    monkeypatch.setitem(renamed.OPTIONS, HEAD, {"units": "hidden"})


def test_a_typed_old_name(tables: None, tmp_path: Path) -> None:
    (tmp_path / "head").mkdir()
    file = tmp_path / "head" / "mlp.yaml"
    file.write_text(f"# A head.\n_target_: {HEAD}  # …\nhidden: 64\n")
    for word in ("head.units=3", "+head.units=3"):
        with pytest.raises(ConfigError) as raised:
            refuse_renamed(["-m", "head=mlp", word], tmp_path)
        assert "head.units" in raised.value.found and "head.hidden" in raised.value.expected
    refuse_renamed(["head=mlp", "head.hidden=3", "other.units=3"], tmp_path)
    refuse_renamed(["head=other", "head.units=3"], tmp_path)
    file.write_text(f"_target_: {HEAD}\nunits: 64\n")  # still there
    refuse_renamed(["head=mlp", "head.units=3"], tmp_path)


def test_an_old_name_in_a_file(tables: None) -> None:
    node = {"_target_": HEAD, "units": 3, "hidden": 3, "dropout": 0.1}
    with pytest.raises(ConfigError, match="'units' is now 'hidden'"):
        check({"model": {"head": node}}, recorded=True)


def test_a_record_names_the_class_as_it_was_called(tables: None) -> None:
    old = {"model": {"heads": [{"_target_": OLD + "MLPHead", "hidden": 3}], "note": "as it is"}}
    new = with_new_names(old)
    assert new["model"]["heads"] == [{"_target_": HEAD, "hidden": 3}]
    assert new["model"]["note"] == "as it is" and old["model"]["heads"][0]["_target_"] != HEAD
    assert with_new_names(None) is None


def test_a_class_that_moved_keeps_the_identity_of_runs(
    tables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = identity({"model": {"head": {"_target_": HEAD}}}, {})
    monkeypatch.setattr(renamed, "CLASSES", {})
    assert moved == identity({"model": {"head": {"_target_": OLD + "MLPHead"}}}, {})
