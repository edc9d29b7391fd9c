"""Every shipped label source keeps to the contract that strangers are held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from omegaconf import OmegaConf
from scipy.special import expit

from interestingness.labels.aggregation import RULES
from interestingness.labels.engagement import EngagementSource
from interestingness.labels.mix import MixSource
from interestingness.labels.scores import ScoreSource
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.tables.tables import Tables
from interestingness.testing import LabelSourceContract


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


def test_every_option_of_the_group_is_a_source_that_the_contract_ran_on(repository: Path) -> None:
    options = sorted((repository / "conf" / "label_source").glob("*.yaml"))
    assert [o.stem for o in options] == [
        "aesthetic",
        "comments",
        "commonly_interesting",
        "cupl",
        "deepseek_vl2",
        "engagement",
        "favorites",
        "gpt4o",
        "human",
        "human_consensus",
        "judge",
        "lafin",
        "llama32",
        "memorability",
        "mix",
        "scores",
        "stars",
        "true_utility",
        "views",
        "votes",
    ]
    classes = (VoteSource, ScoreSource, MixSource, EngagementSource)
    shipped = {f"{c.__module__}.{c.__name__}" for c in classes}
    assert {OmegaConf.load(o)["_target_"] for o in options} == shipped
