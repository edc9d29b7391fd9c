"""Old names of options are refused with the new one; old names of classes in records still load."""

from __future__ import annotations

import pytest

from interestingness.assembly.checks import identity
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError
from interestingness.runs import renamed
from interestingness.runs.renamed import refuse_renamed, with_new_names

OLD, NEW = "interestingness.old_room.heads.", "interestingness.models.heads."
HEAD = "interestingness.models.heads.MLPHead"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, "CLASSES", {OLD: NEW})
    monkeypatch.setitem(renamed.OPTIONS, "head=mlp", {"head.units": "head.hidden"})


def test_a_typed_old_name(tables: None) -> None:
    for words in (["head=mlp", "head.units=3"], ["-m", "head=linear,mlp", "+head.units=3"]):
        with pytest.raises(ConfigError) as raised:
            refuse_renamed(words)
        assert raised.value.found.startswith("head.units=3")
        assert raised.value.todo == "head.hidden=3"
    refuse_renamed(["head=mlp", "head.hidden=3", "other.units=3"])
    refuse_renamed(["head=other", "head.units=3"])


def test_the_tables_name_what_there_is() -> None:
    for choice, names in renamed.OPTIONS.items():
        group, _, option = choice.partition("=")
        text = (conf_folder() / group / f"{option}.yaml").read_text(encoding="utf-8")
        base = (conf_folder() / group / "discrepancies.yaml").read_text(encoding="utf-8")
        for old, new in names.items():
            there = text if option != "image_clusters" else base
            assert f"\n{new.rpartition('.')[2]}:" in there
            assert f"\n{old.rpartition('.')[2]}:" not in there
    for choice in renamed.CHOICES:
        with pytest.raises(ConfigError):
            refuse_renamed([choice])
        group, _, option = choice.partition("=")
        assert not (conf_folder() / group / f"{option}.yaml").exists()


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
