"""The ablation of label sources: second implementations, and gaps that are said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from interestingness.data.splits import by_image, by_pair
from interestingness.errors import ConfigError, DataError, LabelError
from interestingness.labels.scores import ScoreSource
from interestingness.labels.votes import VoteSource
from interestingness.learning.linear_solver.choice import L2_OF_FEW
from interestingness.stats.rater_reliability import one_person
from interestingness.studies.label_source_table import LabelSourceTable
from interestingness.studies.result import Cell, Spread, StudyResult
from interestingness.studies.source_heads import FITS, RECIPE, RIDGE
from interestingness.studies.study import ImageFeatures, Material, Sources

SETTINGS: Mapping[str, Any] = {
    "reference": "human",
    "splits": 3,
    "train_on": "all",
    "test_on": "all",
    "consistent": ["gpt-4o*"],
    "threshold": 0.8,
    "l2": 0.1,
    "scaling": "standardize",
    "epochs": 3,
    "rate": 0.01,
    "batch_size": 16,
}


def study(**changed: Any) -> LabelSourceTable:
    return LabelSourceTable(**{**SETTINGS, **changed})


def rows_of(result: StudyResult, table: int = 0) -> dict[tuple[str, str], Mapping[str, Cell]]:
    return {(str(r["fit"]), str(r["source"])): r for r in result.tables[table].rows}


def sided_votes(images: int = 24, **more: Any) -> list[dict[str, Any]]:
    """Three people prefer the image with the larger number on every second pair of a circle."""
    names = [f"i{k:02d}" for k in range(images)]
    pairs = [(names[k], names[m]) for k in range(images) for m in range(k + 1, images)][::2]
    votes = []
    for at, (a, b) in enumerate(pairs):
        for rater in "uvw":
            right = at % 5 != 0 or rater == "u"
            votes.append(
                {"left": a, "right": b, "choice": "right" if right else "left", "rater": rater}
                | more
            )
    return votes


def test_both_fits_of_every_source_stand_apart(synthetic_material: Material) -> None:
    found = study(l2="auto").run(synthetic_material)
    rows = rows_of(found)
    names = list(synthetic_material.sources.there)
    assert list(rows) == [
        *((fit, name) for fit in FITS for name in names),
        ("–", "one person"),
        ("–", "chance"),
    ]
    for fit in FITS:
        reached = {name: rows[fit, name]["by_human"] for name in names}
        assert all(isinstance(c, Spread) and c.repeats == 3 for c in reached.values())
        assert reached["memorability"].mean < 0.5 < reached["true_utility"].mean  # type: ignore[union-attr]
    assert rows[RIDGE, "human"]["l2"] and rows[RECIPE, "human"]["l2"] is None
    assert rows[RIDGE, "human"]["by_human"] != rows[RECIPE, "human"]["by_human"]
    assert rows["–", "chance"]["by_human"] == 0.5
    assert found.simulated == synthetic_material.simulated != ""
    assert "Nadeau" in " ".join(found.tables[0].notes)


@pytest.mark.parametrize("rule", [by_image, by_pair])
def test_accuracy_and_ranks_by_a_second_implementation(
    synthetic_material: Material, rule: Callable[..., Any]
) -> None:
    material = replace(
        synthetic_material,
        split=lambda number, t: rule(
            t.pairs, t.images, train=0.5, validation=0.0, test=0.5, seed=number
        ),
    )
    heads = study().fit(material).heads
    pairs, values = material.pairs, material.features.values
    split = material.split(1, material.tables)
    scores = {}
    for name in ("human", "aesthetic"):
        source = material.sources.there[name]
        target = source.labels(pairs).preference
        scaled = StandardScaler().fit(values[pairs[split.train].images_used()]).transform(values)
        x, y = scaled[pairs.left] - scaled[pairs.right], target
        soft = split.train & ~np.isnan(target)
        twice = np.concatenate([x[soft], x[soft]])
        share = np.concatenate([y[soft], 1 - y[soft]])
        model = LogisticRegression(C=1 / (0.1 * soft.sum()), fit_intercept=False, tol=1e-8)
        model.fit(twice, np.repeat([1, 0], soft.sum()), sample_weight=share)
        scores[name] = scaled @ model.coef_[0]
        margin = (x @ model.coef_[0])[split.test]
        for j, reference in enumerate(("human", "aesthetic")):
            p = material.references.there[reference].labels(pairs).preference[split.test]
            decided = ~np.isnan(p) & (p != 0.5)
            expected = ((margin > 0) == (p > 0.5))[decided].mean()
            at = heads.references.index(reference), heads.sources.index(name)
            assert heads.accuracy[0, at[1], at[0], 1] == pytest.approx(expected, abs=0.011), j
    images = pairs[split.test].images_used()
    expected = spearmanr(scores["human"][images], scores["aesthetic"][images]).statistic
    k, m = heads.sources.index("human"), heads.sources.index("aesthetic")
    assert heads.rank_correlation[0, k, m, 1] == pytest.approx(expected, abs=0.01)
    assert heads.rank_correlation[0, m, k, 1] == heads.rank_correlation[0, k, m, 1]
    assert heads.test_pairs[1] == split.test.sum() and heads.test_images[1] == len(images)


def test_one_person_is_the_ceiling_on_the_test_pairs(synthetic_material: Material) -> None:
    heads = study().fit(synthetic_material).heads
    pairs = synthetic_material.pairs
    source = synthetic_material.references.there["human"]
    votes = synthetic_material.tables.votes(kind="human")
    split = synthetic_material.split(0, synthetic_material.tables)
    decided = split.test & source.labels(pairs).decided
    asked = decided[pairs.find(votes.key)]
    expected = one_person(votes.key[asked], votes.rater[asked], votes.preference[asked])
    assert heads.one_person[heads.references.index("human"), 0] == pytest.approx(expected)
    assert np.isnan(heads.one_person[heads.references.index("gpt4o")]).all()


def test_which_pairs_train_and_test_is_obeyed_and_said(synthetic_material: Material) -> None:
    everything = study().fit(synthetic_material)
    some = study(train_on="consensus", test_on="order_consistent")
    found = some.fit(synthetic_material)
    steady, agreed = (found.scope.masks[name] for name in ("order_consistent", "consensus"))
    assert (steady | ~agreed).all() and steady.sum() > agreed.sum() > 0
    split = synthetic_material.split(0, synthetic_material.tables)
    assert found.heads.test_pairs[0] == (split.test & steady).sum()
    human = found.heads.sources.index("human")
    assert found.heads.train_pairs[human, 0] == (split.train & agreed).sum()
    assert (found.heads.train_pairs < everything.heads.train_pairs).any()
    used = dict(some.tell(synthetic_material, found).used)
    assert "80 % of the votes of human" in used["trained on"]
    assert f"{int(steady.sum()):,} pairs" in used["tested on"]


def test_agreement_on_s_c_and_d_by_hand(handmade: Callable[..., Material]) -> None:
    votes = sided_votes()
    images = sorted({v["left"] for v in votes} | {v["right"] for v in votes})
    scores = {"aesthetic": {name: float(at) for at, name in enumerate(images)}}
    found = study().run(handmade(votes=votes, scores=scores))
    table = next(t for t in found.tables if t.name == "agreement")
    row = next(r for r in table.rows if (r["source"], r["reference"]) == ("aesthetic", "human"))
    pairs = len(votes) // 3
    dissent = len(range(0, pairs, 5))  # two of three against: no four of five
    assert (row["n_s"], row["n_c"], row["n_d"]) == (pairs, pairs - dissent, dissent)
    assert row["on_c"].estimate == 1 and row["on_d"].estimate == 0  # type: ignore[union-attr]
    assert row["c_share"] == pytest.approx(1 - dissent / pairs)


def test_what_cannot_be_learnt_or_judged_is_said(handmade: Callable[..., Material]) -> None:
    votes = sided_votes()
    # A judge who always says left, and one with a tie on another pair only.
    votes += [{**v, "rater": "always", "kind": "model", "choice": "left"} for v in votes[::3]]
    votes += [{"left": "x1", "right": "x2", "choice": "tie", "rater": "elsewhere", "kind": "model"}]
    material = handmade(votes=votes, pairs=[("x1", "x2")])
    tables = material.tables
    sources = {
        name: VoteSource(tables, name=name, raters=[who], kind=kind, aggregation="majority")
        for name, who, kind in (
            ("human", "*", "human"),
            ("always", "always", "model"),
            ("elsewhere", "elsewhere", "model"),
        )
    }
    material.label = lambda _tables, _learn: Sources(dict(sources), {"views": "no such score"})
    found = study().run(material)
    rows = rows_of(found)
    for fit in FITS:
        assert rows[fit, "always"]["note"] == ""
        assert isinstance(rows[fit, "always"]["by_human"], Spread)
        note = str(rows[fit, "elsewhere"]["note"])
        assert "3 of 3 splits: every training label is a tie" in note
        assert rows[fit, "human"]["note"] == ""
    assert any("of always are of one class only, all left" in note for note in found.notes)
    assert not any("of human are of one class" in note for note in found.notes)
    agreement = next(t for t in found.tables if t.name == "agreement")
    strange = [
        r for r in agreement.rows if r["source"] == "elsewhere" and r["reference"] == "human"
    ]
    assert strange[0]["note"] == "no pair in common with human" and strange[0]["on_s"] is None
    assert any("views" in note for note in found.notes)
    for table in found.tables:
        for row in table.rows:
            gaps = [c for c in row.values() if isinstance(c, float) and np.isnan(c)]
            assert not gaps or row.get("note"), (table.name, row)


def test_fewer_images_than_a_split_needs(handmade: Callable[..., Material]) -> None:
    votes = [{"left": "a", "right": "b", "choice": "left"}]
    scores = {"aesthetic": {"a": 1.0, "b": 2.0}}
    found = study().run(handmade(votes=votes, scores=scores))
    assert "no split" in " ".join(found.notes) and "3 of 3 splits" in found.notes[0]
    assert "No head could be trained" in found.answer
    rows = rows_of(found)
    assert all("no split" in str(rows[fit, "aesthetic"]["note"]) for fit in FITS)


def test_images_without_features_take_no_part(synthetic_material: Material) -> None:
    whole = study().fit(synthetic_material).heads
    values = synthetic_material.features
    present = np.arange(len(values.present)) % 4 != 0
    material = replace(
        synthetic_material,
        encode=lambda t: ImageFeatures(
            np.where(present[:, None], values.values, np.nan).astype(np.float32),
            present,
            values.embedding,
            values.note,
        ),
    )
    heads = study().fit(material).heads
    assert (heads.test_pairs < whole.test_pairs).all() and not np.isnan(heads.accuracy[:, 0]).any()


def test_votes_that_do_not_tell_a_set_are_an_error(handmade: Callable[..., Material]) -> None:
    material = handmade(votes=sided_votes())
    with pytest.raises(LabelError, match="both orders"):
        study(test_on="order_consistent").run(material)
    scored = handmade(
        pairs=[("a", "b"), ("c", "d")],
        scores={"aesthetic": dict(zip("abcd", range(4), strict=True))},
    )
    scored.label = lambda t, _: Sources(
        {"aesthetic": ScoreSource(t, name="aesthetic", column="aesthetic")}, {"human": "no votes"}
    )
    with pytest.raises(LabelError, match="no consensus"):
        study(reference="aesthetic", train_on="consensus").run(scored)
    with pytest.raises(LabelError, match="no votes"):
        study().run(scored)
    with pytest.raises(ConfigError, match="nobody"):
        study(reference="nobody").run(scored)


@pytest.mark.parametrize(
    "changed", [{"splits": 0}, {"l2": -1.0}, {"l2": "much"}, {"rate": 0.0}, {"train_on": "some"}]
)
def test_settings_that_cannot_be(synthetic_material: Material, changed: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, DataError)):
        study(**changed).run(synthetic_material)


def test_few_pairs_take_the_strength_that_training_takes(handmade: Callable[..., Material]) -> None:
    names = "abcdef"
    # Around a circle both sides win in any three images.
    votes = [
        {"left": a, "right": b, "choice": "left" if k % 2 else "right"}
        for at, a in enumerate(names)
        for k, b in enumerate(names[at + 1 :])
    ]
    found = study(l2="auto").run(handmade(votes=votes))
    rows = rows_of(found)
    assert rows[RIDGE, "human"]["l2"] == L2_OF_FEW and rows[RECIPE, "human"]["l2"] is None


def test_one_split_has_no_spread_and_no_test(synthetic_material: Material) -> None:
    found = study(splits=1).run(synthetic_material)
    assert "on 1 split; no test" in found.answer and "One split allows no test." in found.answer
    assert not any(wrong in found.answer for wrong in ("nan", "±", "measurably", "p <"))
    notes = " ".join(note for table in found.tables for note in table.notes)
    assert "one split allows no test" in notes and "±" not in notes and "Nadeau" not in notes


def test_the_answer_tells_the_best_of_each_fit_and_leaves_the_planted_truth_out(
    synthetic_material: Material,
) -> None:
    found = study()
    fitted = found.fit(synthetic_material)
    answer, heads = found.tell(synthetic_material, fitted).answer, fitted.heads
    assert heads.planted == {"true_utility"}
    j = heads.references.index("human")
    for f, fit in enumerate(FITS):
        reached = dict(zip(heads.sources, heads.accuracy[f, :, j].mean(axis=1), strict=True))
        del reached["true_utility"]
        first = max(reached, key=lambda name: reached[name])
        assert f"accuracy by the {fit} is that of {first}, {100 * reached[first]:.1f}" in answer
    assert "surely" not in answer and answer.count("true_utility") == 1
    assert "The planted truth (true_utility), which nobody could choose, would give" in answer


def test_means_of_different_splits_are_said_beside_their_difference(
    synthetic_material: Material,
) -> None:
    found = study()
    fitted = found.fit(synthetic_material)
    heads = fitted.heads
    own, k = heads.sources.index("human"), heads.sources.index("aesthetic")
    j = heads.references.index("human")
    heads.accuracy[0, own, :, 0] = np.nan
    rows = rows_of(found.tell(synthetic_material, fitted))
    row = rows[RIDGE, "aesthetic"]
    one, other = heads.accuracy[0, k, j, 1:].mean(), heads.accuracy[0, own, j, 1:].mean()
    assert row["minus_own"].estimate == pytest.approx(one - other)  # type: ignore[union-attr]
    assert "on the 2 where both have a model" in str(row["note"])
    assert f"{100 * one:.1f} % against {100 * other:.1f} %" in str(row["note"])
    assert rows[RECIPE, "aesthetic"]["note"] == ""


def test_consensus_is_a_share_of_all_pairs_and_none_of_single_votes(
    handmade: Callable[..., Material],
) -> None:
    votes = sided_votes()
    pairs = len(votes) // 3
    # On the first pair the three people become one for left, one for right, and a tie.
    votes[0] |= {"choice": "left"}
    votes[1] |= {"choice": "tie"}
    votes[2] |= {"choice": "right"}
    names = sorted({v["left"] for v in votes} | {v["right"] for v in votes})
    scores = {"aesthetic": {name: float(at) for at, name in enumerate(names)}}

    def row(some: list[dict[str, Any]]) -> Mapping[str, Cell]:
        found = study().run(handmade(votes=some, scores=scores))
        table = next(t for t in found.tables if t.name == "agreement")
        of = ("aesthetic", "human")
        return next(r for r in table.rows if (r["source"], r["reference"]) == of)

    tied = row(votes)
    assert tied["n_s"] == pairs - 1 and tied["c_share"] == pytest.approx(int(tied["n_c"]) / pairs)  # type: ignore[arg-type]
    single = row(votes[2::3])
    assert single["c_share"] is None and "on_c" not in single and single["on_s"] is not None
    assert single["note"] == "human has one vote a pair, which is no consensus"


def test_splits_that_cannot_be_made_are_told_once(handmade: Callable[..., Material]) -> None:
    votes = [{"left": a, "right": b, "choice": "left"} for a, b in ("ab", "bc", "ac")]
    scores = {"aesthetic": {"a": 1.0, "b": 2.0, "c": 3.0}}
    found = study(splits=9).run(handmade(votes=votes, scores=scores))
    note = str(rows_of(found)[RIDGE, "aesthetic"]["note"])
    assert note.startswith("no model on 9 of 9 splits") and note.count("no split") == 1
    assert found.notes[0].startswith("9 of 9 splits could not be made, e.g. no split")


def test_a_threshold_that_cannot_be_names_the_study_s_option(
    handmade: Callable[..., Material],
) -> None:
    material = handmade(votes=sided_votes())
    source = VoteSource(
        material.tables, name="human", raters=["*"], kind="human", aggregation="majority"
    )
    material.label = lambda _tables, _learn: Sources({"human": source}, {})
    with pytest.raises(ConfigError, match=r"threshold 7") as caught:
        study(threshold=7.0).run(material)
    assert caught.value.todo == "correct study.threshold"
