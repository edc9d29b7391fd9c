"""Values of the wrong type are refused by name in every group of options, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from interestingness.assembly.checks import check, plain
from interestingness.assembly.option_values import mismatch, show_value
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError
from interestingness.labels.source import LabelSource

FUSION, FINE = "model=tag_fusion", "model=finetuned_clip"
L2_VALUES = ("maybe", "-1", "nan", "inf", "true", "null", "[1]")

ADAM = ["optimizer=adam"]
WRONG = [
    *((ADAM, f"optimizer.lr={v}") for v in ("abc", "null", "[1]", "-1", "0", "nan", "inf")),
    (ADAM, "+optimizer.weight_decay=-3"),
    *(([], f"+optimizer.tolerance={v}") for v in ("0", "-1", "abc")),
    ([], "+optimizer.iterations=0"),
    (["optimizer=lbfgs"], "optimizer.max_iter=x"),
    (["scheduler=warmup_cosine"], "scheduler.floor=inf"),
    *(([], f"data.workers={v}") for v in ("abc", "-1", "null", "true")),
    *(([], f"data.batch_size={v}") for v in ("0", "abc", "1.5")),
    (["data=shards"], "data.copy=3"),
    *(([], f"trainer.max_epochs={v}") for v in ("x", "1.5", "0", "-3")),
    *(([], f"trainer.accumulate_grad_batches={v}") for v in ("0", "1.5")),
    *(([], f"trainer.gradient_clip_val={v}") for v in ("0", "-1")),
    *(([], f"trainer.{o}") for o in ("precision=17", "gradient_clip_val=abc")),
    (["trainer=ddp"], "trainer.strategy.timeout_s=x"),
    *(([], f"split.train={v}") for v in ("abc", "true", "nan", "2", "-0.1")),
    *(([], f"split.test={v}") for v in ("2", "null")),
    *(([], f"{group}.seed=-1") for group in ("split", "dataset")),
    *((["loss=margin"], f"loss.margin={v}") for v in ("abc", "nan", "inf", "null", "0")),
    (["loss=soft_labels"], "loss.prior_votes=-1"),
    ([], "dataset.images=many"),
    ([], "label_source.raters=ann"),
    ([], "label_source.raters=[ann,null]"),
    ([], "callbacks.checkpoint.save_last=7"),
    ([], "logger.csv.save_dir=3"),
    *(([], f"seed={v}") for v in ("x", "1.5", "true", "-1", "4294967296")),
    ([], "trust=mylab"),
    ([], "skip_finished=1"),
    ([], "model.head=3"),
    *(([], f"model.l2={v}") for v in L2_VALUES),
    *(([], f"model.backbone.weights={v}") for v in ("null", "3", "[a]", "true")),
    *(([FUSION], f"model.head.hidden={v}") for v in ("abc", "1.5", "null", "true", "[64]")),
    *(([FUSION], f"model.head.reduce={v}") for v in ("maybe", "1", "null", "3.5")),
    ([FUSION], "model.tower.weights=3"),
    ([FUSION], "model.words=null"),
    ([FUSION], "model.modalities=tags"),
    ([FUSION], "model.raters=true"),
    ([FUSION, "model/words=file"], "model.words.path=3"),
    ([FINE], "model.groups=3"),
    ([FINE], "model.compile=true"),
    ([FINE], "model.gradient_checkpointing=null"),
    ([FINE, "model/tuning=lora"], "model.tuning.targets=abc"),
    (["model/backbone=dinov2_s14"], "model.backbone.image_size=1.5"),
]

RIGHT = [
    [*ADAM, "+optimizer.betas=[0.9,0.99]", "optimizer.lr=1"],
    ["+trainer.limit_train_batches=0.5", "trainer.precision=bf16-mixed"],
    ["+trainer.profiler=simple", "+trainer.max_time=00:01:00:00"],
    ["+trainer.strategy=ddp", "trainer.devices=[0,1]"],
    ["callbacks.checkpoint.save_last=link", "data.workers=0"],
    [FUSION, "model.head.reduce=false", "model.head.dropout=0", "model.l2=1"],
    [FUSION, "model.raters=[gpt*]"],
    [FINE, "model.augment=null", "model.compile=eager", "model.groups=null"],
    ["model/backbone=dinov2_s14", "model.backbone.image_size=null"],
    ["model/backbone=attributes", "model.backbone.names=[contrast]"],
    ["dataset=folder", "dataset.images=[a.jpg,b.jpg]", "dataset.stars=null"],
    ["label_source=mix", "label_source.human_pairs=null"],
    ["model.l2=auto"],
]


def checked(*overrides: str, command: str = "train") -> None:
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        cfg = compose(command, list(overrides))
    cfg.paths.run = "run"
    check(plain(cfg))


@pytest.mark.parametrize(("options", "wrong"), WRONG, ids=["+".join([*c[0], c[1]]) for c in WRONG])
def test_a_wrong_value_is_one_error_that_names_it(options: list[str], wrong: str) -> None:
    with pytest.raises(ConfigError) as raised:
        checked(*options, wrong)
    head, *problems = raised.value.found.splitlines()
    assert head.startswith("1 ") and len(problems) == 1
    assert problems[0].strip().startswith(f"{wrong.removeprefix('+')}: expected ")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        *((f"optimizer.lr={v}", "a positive number") for v in ("-1", "nan", "abc", "[1]")),
        ("trainer.max_epochs=-3", "an integer, 1 or more or -1 or null"),
        ("data.batch_size=9.5", "an integer, 1 or more"),
        ("split.test=2", "a number from 0 to 1"),
        ("data.workers=many", "auto or an integer, 0 or more"),
    ],
)
def test_what_is_expected_is_said_without_names_of_types(wrong: str, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        checked(*ADAM, wrong)
    assert raised.value.found.splitlines()[1].strip() == f"{wrong}: expected {expected}"


@pytest.mark.parametrize(
    ("given", "test"),
    [
        ([], 0.5),
        (["split.train=0.9"], 0.1),
        (["split.train=0.6", "split.validation=0.1"], 0.3),
        (["split=half_by_pair", "split.train=0.25"], 0.75),
        (["split=lafin_64_16_20"], 0.2),
        (["split=by_group", "split.column=place"], 0.4),
        (["split=by_time", "split.column=when", "split.train=1"], 0.0),
        (["split.train=0.9", "split.test=0.1"], 0.1),
    ],
)
def test_what_neither_trains_nor_validates_tests(given: list[str], test: float) -> None:
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        cfg = compose("train", given)
    assert cfg.split.test == test
    checked(*given)


@pytest.mark.parametrize(
    "given",
    [["split.test=0.2"], ["split.train=0.9", "split.validation=0.2"], ["split.validation=0.7"]],
)
def test_shares_that_do_not_sum_to_1_are_refused(given: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        checked(*given)
    assert "split.train=" in raised.value.found and raised.value.found.startswith("1 ")


def test_wrong_values_of_studies_and_of_commands() -> None:
    for command, words, wrong in (
        ("study", ["study=leaderboard"], "study.splits=x"),
        ("study", ["study=leaderboard"], "study.prices.human=x"),
        ("study", ["study=discrepancies"], "study.distance=far"),
        ("annotate", [], "budget=much"),
        ("annotate", [], "annotator.name=3"),
        ("shards", ["out=x"], "pairs_per_shard=0"),
        ("caption", [], "captioner.batch_size=x"),
        ("score", ["scorer=cupl"], "scorer.alike=true"),
    ):
        plus = "+" if "prices" in wrong else ""
        with pytest.raises(ConfigError) as raised:
            checked(*words, plus + wrong, command=command)
        assert wrong.partition("=")[0].removesuffix(".human") in raised.value.found


def test_all_problems_are_one_error() -> None:
    with pytest.raises(ConfigError) as raised:
        checked(FUSION, "model.head.reduce=maybe", "optimizer.lr=x", "data.workers=x", "+loss.a=1")
    assert len(raised.value.found.splitlines()) == 4
    for name in ("model.head.reduce=maybe", "optimizer.lr=x", "data.workers=x"):
        assert name in raised.value.found


@pytest.mark.parametrize("right", RIGHT, ids="+".join)
def test_right_values_pass(right: list[str]) -> None:
    checked(*right)


@pytest.mark.parametrize(
    ("value", "kind", "strict", "fits"),
    [
        (1, float, True, True),
        (1.0, int, True, False),
        (True, float, True, False),
        (True, float, False, True),
        (float("nan"), float, True, False),
        (float("inf"), float, False, True),
        ("x", str | Path, True, True),
        ([], list[str], True, True),
        (["a"], tuple[str, ...], True, True),
        ("a", Sequence[str], True, False),
        ({"a": None}, Mapping[str, float | None], True, True),
        ({"_target_": "x"}, LabelSource, True, True),
        ([{"_target_": "x"}], Sequence[LabelSource], True, True),
        ("human", LabelSource, True, False),
        (object(), Any, True, True),
    ],
)
def test_types(value: Any, kind: Any, strict: bool, fits: bool) -> None:
    assert (mismatch(value, kind, strict=strict) == "") == fits


def test_values_are_shown_as_one_types_them() -> None:
    assert show_value({"a": [True, None, 1.5]}) == "{a:[true,null,1.5]}"
