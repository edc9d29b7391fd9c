"""An option or a choice that does not exist is one error of ours, which names the nearest one."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from omegaconf import open_dict

from interestingness.assembly.unknown_options import explain, refuse_unread
from interestingness.cli import conf_folder
from interestingness.commands.options import parse
from interestingness.errors import ConfigError

CONF = str(conf_folder().resolve())
FOLDER = "dataset=folder"


def explained(*words: str, config: str = "train") -> ConfigError:
    with (
        pytest.raises(HydraException) as raised,
        initialize_config_dir(CONF, version_base="1.3"),
    ):
        compose(config, list(words))
    told = explain(raised.value, words, CONF, config)
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("words", "todo"),
    [
        (["datset=folder"], "dataset=folder"),
        (["datset.images=x"], "dataset.images=x"),
        ([FOLDER, "dataset.score=x.csv"], "dataset.scores=x.csv"),
        ([FOLDER, "dataset.vote=x.csv"], "dataset.votes=x.csv"),
        (["trainer.max_epoch=3"], "trainer.max_epochs=3"),
        (["sed=3"], "seed=3"),
        (
            ["seed.value=3"],
            "`--help` lists the options, `--cfg job` shows the composed config",
        ),
        (["images=photos"], "dataset.images=photos"),  # it is in another group
        (["batch_size=3", "seed=1"], "data.batch_size=3"),
        (["optimizer=adam", "optimizer.weight_decay=3"], "+optimizer.weight_decay=3"),
        (["optimizer.lr=0.01"], "optimizer=adam optimizer.lr=0.01"),  # of another choice
        (["optimizer.lr=abc"], "optimizer=adam optimizer.lr=…"),
        (
            ["trainer.timeout_s=3"],
            "`--help` lists the options, `--cfg job` shows the composed config",
        ),
        (["~loger"], "~logger"),
        (["+seed=1"], "no plus: seed=1"),
        (["trainer=ddp2"], "trainer=ddp"),
        (["dataset=foldr"], "dataset=folder"),
        (["model/backbone=clip_vitb32"], "model/backbone=clip_vit_b32"),
    ],
)
def test_the_nearest_option_is_named(words: list[str], todo: str) -> None:
    told = explained(*words)
    assert told.found.lstrip("+").startswith(words[-1].lstrip("+")) or words[-1] == "seed=1"
    assert told.todo.split(" or ")[0] == todo
    assert "append" not in str(told)


def test_another_command_has_its_own_options() -> None:
    assert explained("study=audi", config="study").todo == "study=audit"
    assert explained("study=audit", "study.sed=1", config="study").expected.startswith("an option")
    assert explained("bugdet=3", config="annotate").todo == "budget=3"


def test_where_nothing_is_near_all_are_listed() -> None:
    told = explained("label_source=gpt5x")
    assert {"gpt4o", "human", "mix"} <= set(told.expected.split(", "))
    assert "conf/label_source" in told.todo
    told = explained("label_source.zzz=1")
    assert "aggregation" in told.expected and "--help" in told.todo


def test_two_that_do_not_exist_are_told_one_after_the_other() -> None:
    assert explained("datset=folder", "traner=ddp").todo.startswith("dataset=folder")


def test_a_word_that_is_no_option_is_named() -> None:
    assert explained("a").found.startswith("a: ")


def test_errors_of_classes_are_left_to_others() -> None:
    assert explain(InstantiationException("broken"), [], CONF, "train") is None


@pytest.mark.parametrize(
    ("command", "words", "todo"),
    [
        ("rank", ["photos", "--outt", "x.csv"], "--out"),
        ("audit", ["v.csv", "--qestion=beautiful"], "--question"),
        ("pairs choose", ["--imagse=x"], "--images"),
        ("download", ["t.csv", "url", "--connectons=3"], "--connections"),
        ("export", [], "--help"),
        ("rank", ["photos", "--shown", "many"], "--help"),
        ("export", ["run", "--format=foo"], "--help"),
    ],
)
def test_other_commands_name_the_nearest_option_too(
    command: str, words: list[str], todo: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(command, words)
    assert raised.value.found.startswith(f"interestingness {command}: ")
    assert raised.value.expected and todo in raised.value.todo


def typed(monkeypatch: pytest.MonkeyPatch, config: str, *words: str) -> None:
    """What the first step of a command says of these words."""
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    with initialize_config_dir(CONF, version_base="1.3"):
        cfg = compose(config, list(words), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        refuse_unread(cfg)


@pytest.mark.parametrize(
    ("config", "words", "todo"),
    [
        ("train", ["+max_bad_share=0.5"], "data.max_bad_share=0.5"),
        ("train", ["++max_bad_share=0.5", "seed=1"], "data.max_bad_share=0.5"),
        ("train", ["+data={nonsense:1}"], None),
        ("train", ["+data.shards=x"], "data=shards data.shards=x"),  # of another choice
        ("train", ["+paths.cach=x"], "paths.cache=x"),
        ("evaluate", ["ckpt=x", "+max_bad_share=0.5"], "data.max_bad_share=0.5"),
        ("features", ["+data.max_bad_share=0.5"], None),
        ("score", ["scorer=aesthetic", "+data.max_bad_share=0.5"], "max_bad_share=0.5"),
        ("annotate", ["+data.max_pixels=5"], "max_pixels=5"),
        ("study", ["study=audit", "+max_pixels=5"], "data.max_pixels=5"),
    ],
    ids=str,
)
def test_a_plus_brings_in_nothing_that_no_one_reads(
    config: str, words: list[str], todo: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="there is no such option") as raised:
        typed(monkeypatch, config, *words)
    if todo is not None:
        assert todo in raised.value.todo.split(" or ")


@pytest.mark.parametrize(
    "words",
    [
        ["++data.max_bad_share=0.5"],
        ["+label_source.threshold=1", "label_source=human_consensus"],
        ["+tag=of_mine", "name=run_${tag}"],
        ["+references.mine={_target_: my.Source, name: x}"],
        ["+label_source@references.mine=aesthetic"],
        ["dataset=folder", "++dataset.columns.rater=who"],
    ],
    ids=str,
)
def test_what_is_read_may_be_added(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "train", *words)


def test_what_features_never_read_is_unknown_to_them() -> None:
    told = explained("data.max_bad_share=0.5", config="features")
    assert "max_pixels, workers" in told.expected and "data=features" not in told.todo
