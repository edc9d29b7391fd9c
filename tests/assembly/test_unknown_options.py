"""An option or a choice that does not exist is one error of ours, which names the nearest one."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, InstantiationException

from interestingness.assembly.unknown_options import explain
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
        ("rank", [], "--help"),
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
