"""Options directly below ``model`` that nothing reads are refused before anything is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from interestingness.assembly.checks import check, plain
from interestingness.assembly.model_keys import added_options, shows_config, unread_options
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError

FUSION, FINE, NONE = "model=tag_fusion", "model=finetuned_clip", "model/backbone=none"


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests set of Hydra's job is gone afterwards."""
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)


def typed(*overrides: str, door: str = "train") -> None:
    """The check of a job with these words on the command line."""
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        HydraConfig.instance().set_config(compose(door, list(overrides), return_hydra_config=True))
        cfg = compose(door, list(overrides))
    cfg.paths.run = "run"
    check(plain(cfg))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["+model.nonsense=1"],
            "model: there is no option 'nonsense'; there are backbone, head, l2, scaling",
        ),
        (["+model.headd.hidden=3"], "no option 'headd'; there are backbone, head, l2, scaling"),
        (["++model.nonsense=1"], "no option 'nonsense'"),
        (["+model={nonsense:1}"], "no option 'nonsense'"),
        (["+model.extra={a:1,b:2}"], "no option 'extra'"),
        (["+model.compile=eager"], "(compile is for a backbone that learns: model=finetuned_clip)"),
        (["+model.modalities=[tags]"], "(modalities is for model=tag_fusion)"),
        (["+model.features=a.npz"], "(features are for model=cached_features)"),
        ([FUSION, "+model.compile=eager"], "no option 'compile'"),
        ([FINE, "+model.raters=[a]"], "no option 'raters'; there are augment, backbone, compile"),
        ([FINE, "model.tuning=null"], "model.tuning=null: expected a tuning (last_blocks"),
        (["+model/tuning=lora"], "model.tuning: expected a model whose backbone learns"),
        ([FINE, "~model/tuning"], "model=paper_recipe data=shards"),
        ([FUSION, "model.features=a.npz"], "model.features=a.npz: expected no backbone beside"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_what_nothing_reads(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        typed(*words)
    assert "1 option(s) cannot be used" in raised.value.found and said in raised.value.found


@pytest.mark.parametrize(
    "words",
    [
        [],
        [FUSION, NONE, "model.features=a.npz"],
        [FUSION, "++model.raters=[a]"],
        [FINE, "++model.compile=eager", "+model.augment.colour=0.2"],
        [FINE, "model/tuning=lora", "model.compile=eager"],
        ["model=cached_features", "model.features=a.npz"],
        [NONE, "+model.features=a.npz"],
    ],
    ids="+".join,
)
def test_what_is_read(words: list[str]) -> None:
    typed(*words)


@pytest.mark.parametrize("word", ["+model.words.path=a", "+model.head.hidden=3", "+model.l2=1"])
def test_a_checkpoint_has_a_model_of_its_own(word: str) -> None:
    with pytest.raises(ConfigError, match=r"features=FILE, words=FILE"):
        typed("ckpt=run", word, door="evaluate")


def test_commands_without_a_model() -> None:
    with pytest.raises(ConfigError, match="no option 'nonsense'; there are backbone"):
        typed("scorer=aesthetic", "+model.nonsense=1", door="score")


@pytest.mark.parametrize(
    ("config", "command"),
    [
        ("annotate", "interestingness annotate"),
        ("score", "interestingness score"),
        ("evaluate", "python evaluate.py"),
        ("train", "python train.py"),
    ],
)
def test_the_advice_names_the_command_that_runs(config: str, command: str) -> None:
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        cfg = compose("annotate", return_hydra_config=True)
    with open_dict(cfg):
        cfg.hydra.job.config_name = config
    HydraConfig.instance().set_config(cfg)
    assert shows_config() == f"{command} --cfg job"


OWN = {"head": {"_target_": "x"}, "width": 3, "more": {"a": 1, "b": 2}}


def test_values_of_a_plugins_own_file() -> None:
    assert list(unread_options(OWN, ["model=theirs", "model.width=4", "+model.more.b=2"])) == []
    assert added_options(OWN, ["+model.more.b=2", "+model.more.a=1"]) == {"more"}
    assert "no option 'width'" in next(unread_options({**OWN, "more": {}}, ["+model.width=3"]))


def test_a_record_may_hold_anything() -> None:
    config = {"model": {"nonsense": 1, "head": {"_target_": "torch.nn.Identity"}}}
    check(config, recorded=True)
    with pytest.raises(ConfigError, match="nonsense"):
        check(config)


def test_a_missing_group_and_an_option_of_a_class_without_any() -> None:
    for words, said in (
        (["~loss"], "loss=null: expected an option of conf/loss, like loss=bradley_terry"),
        (["~optimizer"], "optimizer=null: expected"),
        (["~callbacks"], "callbacks=null: expected"),
        (["+model.head.bias=true"], "model.head: there is no option 'bias'; there are none"),
        (
            [FUSION, "model.modalities=[generated_tags]", "model.vocabulary=null"],
            "model.vocabulary=null: expected a column",
        ),
    ):
        with pytest.raises(ConfigError) as raised:
            typed(*words)
        assert "1 option(s)" in raised.value.found and said in raised.value.found, words


def test_the_door(repository: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "train.py"), "+model.nonsense=1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2 and "there is no option 'nonsense'" in done.stderr
