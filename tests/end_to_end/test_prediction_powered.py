"""A run that learns from few human votes and a judge, and a claim from both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interestingness.assembly.run import evaluate
from interestingness.errors import ConfigError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*",  # Lightning 2.6 with torch 2.15 (2026-11)
    "ignore:.*GPU available.*",
)
POWERED = ["label_source=prediction_powered", "label_source.human_pairs=10"]


def test_a_run_and_its_evaluation_with_a_judge(
    trained: Callable[..., Path], composed: Callable[..., Any], tmp_path: Path
) -> None:
    run = trained(*POWERED, "model.l2=1", "dataset.degree=12")
    found = json.loads((run / "metrics.json").read_text())
    facts = found["label_facts"]
    assert facts["human_pairs"] == 10 and 0 <= facts["power"] <= 1
    assert facts["model_pairs"] > 50 and facts["unbiased"].startswith("no")
    evaluate(composed("evaluate", f"ckpt={run}", "judge=gpt4o", run="claim"))
    tested = json.loads((tmp_path / "claim" / "metrics.json").read_text())["test"]
    (human,) = (r for r in tested["references"] if r["name"] == "human")
    powered = human["powered"]
    assert powered["judge"] == "gpt4o" and 20 <= powered["labelled"] <= powered["pairs"]
    assert powered["accuracy"]["low"] <= powered["accuracy"]["value"] <= powered["accuracy"]["high"]


@pytest.mark.parametrize("option", ["model=paper_recipe", "loss=margin", "model.l2=0"])
def test_models_without_an_optimum_are_refused(trained: Callable[..., Path], option: str) -> None:
    with pytest.raises(ConfigError, match="label_source=prediction_powered with"):
        trained(*POWERED, "dataset.degree=12", option)
