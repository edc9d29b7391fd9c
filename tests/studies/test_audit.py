"""Audit of votes: planted raters are recognised, and what cannot be known is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import choix
import numpy as np
import pytest

from interestingness.errors import DataError
from interestingness.stats.bootstrap import Interval
from interestingness.studies.audit import Audit, audit_votes
from interestingness.studies.panel import read_ballots
from interestingness.studies.result import Cell, HeatMap, IntervalChart, StudyResult, Table
from interestingness.studies.study import Material
from interestingness.studies.vote_ranking import ranking_table


def table(result: StudyResult, name: str) -> Table:
    return next(t for t in result.tables if t.name == name)


def row(result: StudyResult, name: str, **key: Cell) -> Mapping[str, Cell]:
    return next(r for r in table(result, name).rows if key.items() <= r.items())


def interval(cell: Cell) -> Interval:
    assert isinstance(cell, Interval)
    return cell


def vote(**columns: Any) -> dict[str, Any]:
    return columns


def planted(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Six people who agree in 80 %, one who tosses coins, a judge that likes the second place."""
    votes = []
    names = [f"image {i:02d}" for i in range(30)]
    utility = {name: i for i, name in enumerate(names)}
    for _ in range(150):
        one, other = sorted(rng.choice(names, 2, replace=False).tolist())
        better = "left" if utility[one] > utility[other] else "right"
        worse = "right" if better == "left" else "left"
        for rater in range(6):
            choice = better if rng.random() < 0.9 else worse
            first = str(rng.choice(["left", "right"]))
            votes.append(vote(left=one, right=other, choice=choice, first=first, rater=f"p{rater}"))
        coin = str(rng.choice(["left", "right"]))
        votes.append(vote(left=one, right=other, choice=coin, first="left", rater="coin"))
        for first, second in (("left", "right"), ("right", "left")):
            choice = second if rng.random() < 0.6 else better
            votes.append(
                vote(left=one, right=other, choice=choice, first=first, rater="m", kind="model")
            )
    return votes


def test_planted_raters_are_recognised(handmade: Callable[..., Material]) -> None:
    result = Audit().run(handmade(votes=planted(np.random.default_rng(0))))
    assert table(result, "raters").rows[0]["rater"] == "coin"
    coin = interval(row(result, "raters", rater="coin")["with_others"])
    good = interval(row(result, "raters", rater="p3")["with_others"])
    assert coin.low < 0.5 < coin.high and good.low > 0.75
    people, judge = row(result, "position", judge="people"), row(result, "position", judge="m")
    assert interval(people["second"]).low < 0.5 < interval(people["second"]).high
    assert interval(judge["second"]).low > 0.6
    assert interval(judge["order_term"]).high < 0 < interval(people["order_term"]).high
    assert judge["bias_p"] == "< .001"
    assert "m: " in result.answer and "shown second" in result.answer
    # raters are few enough to be compared one by one: 7 people and a model
    assert len(table(result, "agreement").rows) == 8 * 7 / 2
    assert any(isinstance(f, HeatMap) for f in result.figures)


def test_the_ranking_is_choix_s_and_its_intervals_hold_the_truth(
    handmade: Callable[..., Material],
) -> None:
    rng = np.random.default_rng(1)
    names = [f"i{i:02d}" for i in range(12)]
    utility = rng.normal(size=12)
    votes, wins = [], []
    for _ in range(600):
        a, b = rng.choice(12, 2, replace=False).tolist()
        won, lost = (a, b) if rng.random() < 1 / (1 + np.exp(utility[b] - utility[a])) else (b, a)
        side = "left" if names[won] < names[lost] else "right"
        left, right = sorted([names[a], names[b]])
        votes.append(vote(left=left, right=right, choice=side, rater=f"r{len(votes)}"))
        wins.append((won, lost))
    ranking = table(Audit().run(handmade(votes=votes)), "ranking")
    other = choix.opt_pairwise(12, wins, alpha=0.05)
    found = {str(r["image"]): interval(r["utility"]) for r in ranking.rows}
    assert [found[n].estimate for n in names] == pytest.approx(other - other.mean(), abs=1e-4)
    truth = utility - utility.mean()
    held = [found[n].low <= truth[i] <= found[n].high for i, n in enumerate(names)]
    assert sum(held) >= 10
    assert [r["rank"] for r in ranking.rows] == list(range(1, 13))
    assert all(r["group"] is None for r in ranking.rows)


def test_intervals_of_utilities_hold_the_truth_as_often_as_promised(
    handmade: Callable[..., Material],
) -> None:
    rng = np.random.default_rng(2)
    names = [f"i{i:02d}" for i in range(40)]
    held = total = 0
    for _ in range(12):
        utility = rng.normal(size=40)
        votes = []
        for k in range(300):
            a, b = sorted(rng.choice(40, 2, replace=False).tolist())
            left = rng.random() < 1 / (1 + np.exp(utility[b] - utility[a]))
            side = "left" if left else "right"
            votes.append(vote(left=names[a], right=names[b], choice=side, rater=f"r{k}"))
        pairs = handmade(votes=votes)
        ballots = read_ballots(pairs)[0]
        for found in ranking_table(ballots).rows:
            cell = interval(found["utility"])
            truth = utility[names.index(str(found["image"]))] - utility.mean()
            held += cell.low <= truth <= cell.high
            total += 1
    assert 0.92 <= held / total <= 0.98


def test_groups_that_no_vote_connects_are_ranked_apart(handmade: Callable[..., Material]) -> None:
    votes = [
        vote(left="a", right="b", choice="left", rater="x"),
        vote(left="b", right="c", choice="left", rater="x"),
        vote(left="y", right="z", choice="right", rater="x"),
    ]
    result = Audit().run(handmade(votes=votes))
    ranking = table(result, "ranking")
    # the chart has the largest group only, and says so
    (chart,) = (f for f in result.figures if f.name == "ranking")
    assert isinstance(chart, IntervalChart) and [name for name, _ in chart.rows] == ["a", "b", "c"]
    assert "Group 1 only, 3 of 5 images in 2 groups" in chart.caption
    assert [(r["group"], r["rank"], r["image"]) for r in ranking.rows] == [
        (1, 1, "a"),
        (1, 2, "b"),
        (1, 3, "c"),
        (2, 1, "z"),
        (2, 2, "y"),
    ]
    assert "2 groups" in ranking.notes[0]
    whole = Audit().run(handmade(votes=votes[:2]))
    (chart,) = (f for f in whole.figures if f.name == "ranking")
    assert "Group" not in chart.caption


def test_all_ties_and_one_vote_a_pair_are_said(handmade: Callable[..., Material]) -> None:
    votes = [
        vote(left="a", right="b", choice="tie", rater="x"),
        vote(left="b", right="c", choice="tie", rater="y"),
    ]
    result = Audit().run(handmade(votes=votes))
    assert row(result, "judges", judge="people")["note"] == "all ties"
    assert "Every vote of people is a tie" in result.answer
    text = " ".join(result.notes)
    assert "nobody chose a side" in result.answer and "No pair has votes of two raters" in text
    assert "no position bias" in text and "answered the same pair" in text
    assert not any(t.name == "position" for t in result.tables)
    judges = row(result, "judges", judge="people")
    assert np.isnan(interval(judges["with_others"]).estimate) and judges["repetition"] is None


def test_ties_count_on_neither_side_of_a_consensus(handmade: Callable[..., Material]) -> None:
    choices = ["left", "left", "tie", "tie"]
    votes = [vote(left="a", right="b", choice=c, rater=f"r{i}") for i, c in enumerate(choices)]
    result = Audit().run(handmade(votes=votes))
    shares = {str(r["consensus"]): r for r in table(result, "consensus").rows}
    assert shares["unanimous"]["pairs"] == 1 and shares["unanimous"]["coins"] == 0.5
    assert result.answer.startswith("On 1 pair with")


def test_what_one_person_says_twice_is_no_consensus(handmade: Callable[..., Material]) -> None:
    votes = [vote(left="a", right="b", choice="left", rater="r", sample=s) for s in range(10)]
    result = Audit().run(handmade(votes=votes))
    people = row(result, "judges", judge="people")
    assert people["consensus"] is None and people["note"] == "one rater a pair"
    assert "votes of one rater" in result.answer


def test_judges_without_a_common_pair_are_said_to_have_none(
    handmade: Callable[..., Material],
) -> None:
    votes = [
        vote(left="a", right="b", choice="left", rater="x"),
        vote(left="b", right="c", choice="left", rater="y"),
    ]
    (found,) = table(Audit().run(handmade(votes=votes)), "agreement").rows
    assert found["pairs"] == 0 and found["note"] == "no pair that both decided"


def test_a_judge_that_refuses_everything_has_a_row(handmade: Callable[..., Material]) -> None:
    votes = [
        vote(left="a", right="b", choice="left", rater="x"),
        vote(left="a", right="b", choice=None, rater="m", kind="model"),
    ]
    found = row(Audit().run(handmade(votes=votes)), "judges", judge="m")
    assert found["refusals"] == 1 and found["votes"] == 0 and found["note"] == "no usable answer"


def test_simulated_raters_are_called_so_wherever_they_vote(
    handmade: Callable[..., Material],
) -> None:
    votes = [
        vote(left="a", right="b", choice="left", rater="x"),
        vote(left="a", right="b", choice="left", rater="simulated-judge", kind="model"),
    ]
    material = handmade(votes=votes)
    assert material.simulated == "SIMULATION: votes of simulated-judge; no evidence about anybody"
    assert Audit().run(material).simulated == material.simulated
    table = material.tables.vote_table
    alone = audit_votes(table, material.pairs, question="interesting", where="votes.csv")
    assert alone.simulated == material.simulated
    assert handmade(votes=votes[:1]).simulated == ""


def test_no_usable_vote_is_an_error(handmade: Callable[..., Material]) -> None:
    material = handmade(votes=[vote(left="a", right="b", choice=None)])
    with pytest.raises(DataError, match="none of the 1 votes"):
        Audit().run(material)
    with pytest.raises(DataError, match="no votes"):
        Audit().run(handmade(pairs=[("a", "b")]))


def test_the_synthetic_judge_prefers_the_second_place(synthetic_material: Material) -> None:
    result = Audit().run(synthetic_material)
    assert result.simulated
    second = interval(row(result, "position", judge="gpt-4o-simulated")["second"])
    first = interval(row(result, "position", judge="deepseek-vl2-simulated")["second"])
    assert second.low > 0.5 and first.high < 0.1
    shares = table(result, "consensus").rows
    assert sum(int(r["pairs"]) for r in shares) == len(synthetic_material.pairs)  # type: ignore[arg-type]
    assert sum(float(r["share"]) for r in shares) == pytest.approx(1)  # type: ignore[arg-type]
    highest, lowest = result.galleries
    rows = table(result, "ranking").rows
    assert [s.image_id for s in highest.images] == [r["image"] for r in rows[:6]]
    assert lowest.images[-1].image_id == rows[-1]["image"]
    chart = next(f for f in result.figures if isinstance(f, IntervalChart) and f.name == "ranking")
    assert len(chart.rows) == 24


def test_without_names_of_images_there_is_no_ranking(synthetic_material: Material) -> None:
    tables = synthetic_material.tables
    result = audit_votes(
        tables.vote_table,
        tables.pairs,
        question="interesting",
        where="votes.csv",
        images_known=False,
        notes=["said"],
    )
    assert {t.name for t in result.tables} == {
        "judges", "position", "discrimination", "consensus", "raters", "agreement",
    }  # fmt: skip
    assert result.notes[0] == "said"
