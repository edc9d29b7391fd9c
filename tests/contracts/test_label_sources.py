"""Every shipped label source keeps to the contract that other people's are held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from scipy.special import expit

from interestingness.cli import conf_folder
from interestingness.labels.aggregation import RULES
from interestingness.labels.engagement import EngagementSource
from interestingness.labels.mix import MixSource
from interestingness.labels.prediction_powered import PredictionPoweredSource
from interestingness.labels.scores import ScoreSource
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.schema import DEFAULT_QUESTION
from interestingness.tables.tables import Tables
from interestingness.testing import DEFAULT_RATERS, LabelSourceContract


@pytest.mark.parametrize("rule", ["majority", "consensus", "share"])
class TestHumanVotes(LabelSourceContract):
    rule = ""

    @pytest.fixture(autouse=True)
    def _rule(self, rule: str) -> None:
        self.rule = rule

    def make(self, tables: Tables) -> LabelSource:
        return VoteSource(tables, name="h", raters=["*"], kind="human", aggregation=self.rule)


@pytest.mark.parametrize("rule", RULES)
class TestModelVotes(LabelSourceContract):
    rule = ""

    @pytest.fixture(autouse=True)
    def _rule(self, rule: str) -> None:
        self.rule = rule

    def make(self, tables: Tables) -> LabelSource:
        return VoteSource(
            tables, name="gpt4o", raters=["gpt-4o*"], kind="model", aggregation=self.rule
        )


class TestScores(LabelSourceContract):
    score_names = ("stars",)

    def make(self, tables: Tables) -> LabelSource:
        return ScoreSource(tables, name="stars", column="stars")


class TestSoftScores(LabelSourceContract):
    score_names = ("stars",)

    def make(self, tables: Tables) -> LabelSource:
        return ScoreSource(tables, name="s", column="stars", link="sigmoid", temperature=0.7)


class TestScoresOfAFile(LabelSourceContract):
    score_names = ("stars",)
    reads_own_files = True

    def make(self, tables: Tables) -> LabelSource:
        file = tables.root / "stars.csv"
        known = "stars" in tables.score_names()
        scores = tables.scores("stars") if known else range(len(tables.image_ids))
        pa_csv.write_csv(pa.table({"image": tables.image_ids.tolist(), "stars": scores}), file)
        return ScoreSource(tables, name="s", column="stars", table=str(file))


class TestEngagement(LabelSourceContract):
    score_names = ("liking",)
    reads_own_files = True

    def make(self, tables: Tables) -> LabelSource:
        file = tables.root / "engagement.csv"
        known = "liking" in tables.score_names()
        liking = tables.scores("liking") if known else np.zeros(len(tables.image_ids))
        # exposure by position, which renaming leaves as it is
        shown = 100.0 + 13 * np.arange(len(liking))
        columns = {"image": tables.image_ids.tolist(), "clicks": shown * expit(liking)}
        pa_csv.write_csv(pa.table(columns | {"shown": shown}), file)
        return EngagementSource(
            tables,
            name="e",
            counts="clicks",
            exposure="shown",
            age=None,
            owner=None,
            on_excess="error",
            table=str(file),
        )


class TestMix(LabelSourceContract):
    score_names = ("one", "two")

    def make(self, tables: Tables) -> LabelSource:
        sources: dict[str, LabelSource] = {
            name: ScoreSource(tables, name=name, column=name) for name in self.score_names
        }
        for rule in ("order_corrected", "order_consistent"):
            sources[rule] = VoteSource(
                tables, name=rule, raters=["gpt-4o*"], kind="model", aggregation=rule
            )
        human = VoteSource(tables, name="human", raters=["*"], kind="human", aggregation="share")
        return MixSource(
            tables,
            name="mix",
            sources=sources,
            human=human,
            human_pairs=30,
            seed=0,
        )


class TestPredictionPowered(LabelSourceContract):
    score_names = ("one",)

    def make(self, tables: Tables) -> LabelSource:
        human = VoteSource(tables, name="human", raters=["*"], kind="human", aggregation="share")
        return PredictionPoweredSource(
            tables,
            name="prediction_powered",
            model=ScoreSource(tables, name="one", column="one"),
            human=human,
            human_pairs=30,
            power="auto",
            seed=0,
        )


CONF = conf_folder() / "label_source"
OPTIONS = {path.stem: OmegaConf.load(path) for path in sorted(CONF.glob("*.yaml"))}
"""Every option of the group; those that are a table run through the contract as they are."""

TABLES = {"VoteSource", "ScoreSource"}
"""Classes whose options need no code."""


def class_of(option: str) -> str:
    return str(OPTIONS[option]["_target_"]).rpartition(".")[2]


@pytest.mark.parametrize("option", [name for name in OPTIONS if class_of(name) in TABLES])
class TestOptions(LabelSourceContract):
    node: DictConfig

    @pytest.fixture(autouse=True)
    def _option(self, option: str) -> None:
        cfg = OmegaConf.create({"question": DEFAULT_QUESTION, "label_source": OPTIONS[option]})
        for name, value in (("column", "stars"), ("raters", ["*"])):
            if OmegaConf.is_missing(cfg.label_source, name):
                cfg.label_source[name] = value
        self.node = cfg.label_source
        self.score_names = [self.node.column] if "column" in self.node else []
        patterns = self.node.get("raters") or []
        self.model_raters = [p.replace("*", "x") for p in patterns if p != "*"] or DEFAULT_RATERS

    def make(self, tables: Tables) -> LabelSource:
        source: LabelSource = instantiate(self.node, tables=tables, _convert_="all")
        return source


def test_every_class_of_the_group_is_held_to_the_contract(repository: Path) -> None:
    assert len(OPTIONS) >= 16
    tests = [path.read_text(encoding="utf-8") for path in repository.glob("tests/**/test_*.py")]
    held = [text for text in tests if "(LabelSourceContract)" in text]
    for option in OPTIONS:
        assert any(class_of(option) + "(" in text for text in held), option
