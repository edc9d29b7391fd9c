"""Wrong values below ``model`` are refused before anything is built, each by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from interestingness.assembly.checks import check, plain
from interestingness.assembly.model_options import unfit
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError

FUSION, MLP, FINE = "model=tag_fusion", "model=frozen_clip_mlp", "model=finetuned_clip"
LORA, WORDS = "model/tuning=lora", "model/words=file"
TIMM, ATTRIBUTES = "model/backbone=dinov2_s14", "model/backbone=attributes"
TRUTH, WHOLE, FINITE = "true or false", "a whole number", "a finite number"
GROUP, TEXT = "a group of options", "a text"
L2 = "a number, 0 or more, or auto"

CASES = [
    *(([FUSION], f"model.head.reduce={v}", TRUTH) for v in ("maybe", "1", "null", "3.5")),
    *(([FUSION], f"model.head.hidden={v}", WHOLE) for v in ("abc", "1.5", "null", "true", "[64]")),
    *(([MLP], f"model.head.hidden={v}", WHOLE) for v in ("abc", "1.5", "true")),
    *(([MLP], f"model.head.dropout={v}", FINITE) for v in ("abc", "nan", "true", "null")),
    ([], "model.head=3", GROUP),
    *(([], f"model.l2={v}", L2) for v in ("maybe", "-1", "nan", "inf", "true", "null", "[1]")),
    *(([], f"model.backbone.weights={v}", TEXT) for v in ("null", "3", "[a]", "true")),
    ([FUSION], "model.tower.weights=3", TEXT),
    ([FUSION], "model.words=null", GROUP),
    ([FUSION], "model.modalities=3", "a list of texts"),
    ([FUSION], "model.modalities=tags", "a list, like [tags]"),
    ([FUSION], "model.modalities=[image,null]", "a list of texts"),
    ([FUSION], "model.modalities=null", "a list of texts"),
    ([], "model.scaling=null", TEXT),
    ([FUSION], "model.raters=true", "a list of texts or null"),
    ([FUSION], "model.vocabulary=3", "a text or null"),
    ([FUSION, WORDS], "model.words.path=3", "a text or a path"),
    (["model=cached_features"], "model.features=3", "a text or null"),
    *(([FINE], f"model.groups.backbone_lr={v}", FINITE) for v in ("abc", "nan", "true", "null")),
    ([FINE], "model.groups=3", GROUP),
    *(([FINE], f"model.gradient_checkpointing={v}", TRUTH) for v in ("maybe", "3", "null")),
    *(([FINE], f"model.compile={v}", "a text or null") for v in ("3", "true")),
    ([FINE], "model.augment.flip=abc", FINITE),
    *(([FINE], f"model.tuning.blocks={v}", WHOLE) for v in ("abc", "1.5", "true", "null")),
    *(([FINE, LORA], f"model.tuning.rank={v}", WHOLE) for v in ("abc", "1.5", "true")),
    *(([FINE, LORA], f"model.tuning.alpha={v}", FINITE) for v in ("abc", "nan", "inf", "null")),
    ([FINE, LORA], "model.tuning.targets=abc", "a list, like [abc]"),
    ([FINE, LORA], "model.tuning.targets=[1]", "a list of texts"),
    *(([TIMM], f"model.backbone.image_size={v}", f"{WHOLE} or null") for v in ("abc", "1.5")),
    ([ATTRIBUTES], "model.backbone.names=contrast", "a list, like [contrast] or null"),
]


def checked(*overrides: str) -> None:
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        cfg = compose("train", list(overrides))
    cfg.paths.run = "run"
    check(plain(cfg))


@pytest.mark.parametrize(
    ("options", "wrong", "expected"), CASES, ids=["+".join([*c[0], c[1]]) for c in CASES]
)
def test_a_wrong_value_is_refused_by_its_name(
    options: list[str], wrong: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        checked(*options, wrong)
    said = raised.value.found.splitlines()
    assert said == ["1 option(s) cannot be used:", f"  {wrong.lstrip('+')}: expected {expected}"]


def test_all_are_said_together() -> None:
    with pytest.raises(ConfigError, match=r"2 option\(s\)") as raised:
        checked(FUSION, "model.head.reduce=maybe", "model.l2=-1")
    assert "model.head.reduce=maybe" in str(raised.value) and "model.l2=-1" in str(raised.value)


@pytest.mark.parametrize(
    "right",
    [
        [FUSION, "model.head.reduce=false", "model.head.dropout=0", "model.l2=1"],
        [FUSION, "model.raters=[gpt*]"],
        [FINE, "model.augment=null", "model.compile=eager", "model.groups=null"],
        [FINE, LORA, "model.tuning.alpha=8", "model.tuning.targets=[attn.in_proj_weight]"],
        [TIMM, "model.backbone.image_size=null"],
        [ATTRIBUTES, "model.backbone.names=[contrast]"],
        ["model.l2=auto"],
    ],
    ids="+".join,
)
def test_right_values_pass(right: list[str]) -> None:
    assert checked(*right) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1, float, ""),
        (1, int | None, ""),
        ("x", str | Path, ""),
        ([], list[str], ""),
        (object(), Any, ""),
        ({"_target_": "x"}, Path.__class__, ""),  # what nobody can say of plain values
        ("x", float | bool, "a finite number or true or false"),
    ],
)
def test_kinds(value: Any, kind: Any, expected: str) -> None:
    assert unfit(value, kind) == expected
