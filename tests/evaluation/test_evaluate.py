"""Evaluation on planted truth, against scipy and scikit-learn, and on what can go wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import average_precision_score, ndcg_score

from interestingness.errors import LabelError
from interestingness.evaluation.evaluate import MOST_GROUPS, ImageGroups, evaluate
from interestingness.evaluation.predicted import Predicted
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import ReferenceResult
from interestingness.labels.scores import ScoreSource
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import Pairs
from interestingness.tables.tables import Manifest, Tables, Votes

IMAGES = 60


def some_pairs(images: int = IMAGES, number: int = 200, seed: int = 1) -> Pairs:
    rng = np.random.default_rng(seed)
    names = [f"image {i:04d}" for i in range(images)]
    one, other = zip(
        *(rng.choice(names, size=2, replace=False) for _ in range(number)), strict=True
    )
    return Pairs.from_ids([str(n) for n in one], [str(n) for n in other], names)[0]


def truth(images: int = IMAGES) -> np.ndarray:
    return np.random.default_rng(5).normal(size=images)


def by_score(pairs: Pairs, score: np.ndarray) -> Labels:
    return Labels.of((np.sign(score[pairs.left] - score[pairs.right]) + 1) / 2)


def test_planted_truth_is_recovered_and_its_reverse_is_all_wrong() -> None:
    pairs, score = some_pairs(), truth()
    reference = {"truth": Reference.of(by_score(pairs, score), pairs, image_scores=score)}
    test = np.arange(len(pairs)) % 2 == 0
    (right,) = evaluate(score, pairs, test, reference).references
    (wrong,) = evaluate(-score, pairs, test, reference).references
    assert right.accuracy.value == 1 and right.spearman == 1 and right.kendall == 1
    assert right.ndcg == pytest.approx(1)
    assert right.accuracy.low is not None and 0.8 < right.accuracy.low < 1
    assert wrong.accuracy.value == 0 and wrong.spearman == -1
    assert right.pairs == test.sum() and right.images == len(pairs[test].images_used())
    assert right.chance == 0.5


def test_a_source_of_numbers_is_held_to_their_order(tmp_path: Path) -> None:
    pairs, score = some_pairs(), truth()
    names = pairs.image_ids.tolist()
    tables = Tables.write(
        tmp_path,
        Manifest("toy", "synthetic"),
        {
            "images": pa.table({"image_id": names}),
            "scores": pa.table({"image_id": names, "name": ["s"] * IMAGES, "score": score}),
        },
    )
    graded = ScoreSource(tables, name="s", column="s", link="normal")
    reference = Reference.of(graded, pairs)
    assert reference.labels is not None
    assert set(reference.labels.preference.tolist()) == {0, 1}
    given = Reference.of(graded, pairs, labels=graded.labels(pairs))
    assert given.labels is not None
    np.testing.assert_array_equal(given.labels.preference, reference.labels.preference)


def test_only_test_rows_count_and_rows_may_be_a_mask_or_numbers() -> None:
    pairs, score = some_pairs(), truth()
    preference = by_score(pairs, score).preference
    preference[:50] = 1 - preference[:50]  # wrong everywhere outside the test rows
    reference = {"truth": Reference.of(Labels.of(preference), pairs)}
    mask = np.arange(len(pairs)) >= 50
    by_mask = evaluate(score, pairs, mask, reference)
    assert by_mask.references[0].accuracy.value == 1
    assert by_mask == evaluate(score, pairs, np.flatnonzero(mask), reference)


def test_numbers_agree_with_scipy_and_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    pairs, grade = some_pairs(), truth()
    grade = np.round(grade, 1)  # ties
    flag = (grade > 0.5).astype(float)
    score = grade + rng.normal(size=IMAGES)
    preference = rng.choice([0, 0.2, 0.4, 0.5, 0.6, 0.8, 1, np.nan], size=len(pairs))
    labels = Labels.of(preference)
    test = np.arange(len(pairs))[::2]
    graded, flagged, pairwise = evaluate(
        score,
        pairs,
        test,
        {
            "graded": Reference.of(labels, pairs, image_scores=grade),
            "flagged": Reference.of(labels, pairs, image_scores=flag),
            "pairwise": Reference.of(labels, pairs),
        },
    ).references
    at = pairs[test].images_used()
    assert graded.spearman == pytest.approx(spearmanr(score[at], grade[at]).statistic)
    assert graded.kendall == pytest.approx(kendalltau(score[at], grade[at]).statistic)
    assert graded.ndcg == pytest.approx(
        ndcg_score([grade[at] - grade[at].min()], [score[at]]), abs=1e-9
    )
    assert graded.average_precision is None  # only where the scores are binary
    assert flagged.average_precision == pytest.approx(average_precision_score(flag[at], score[at]))
    assert (graded.ranking, pairwise.ranking) == ("scores", "win share")
    assert pairwise.ndcg is None and pairwise.spearman is not None

    margin, p = (score[pairs.left] - score[pairs.right])[test], preference[test]
    decided = ~np.isnan(p) & (p != 0.5)
    assert graded.pairs == decided.sum() and graded.ties == (p == 0.5).sum()
    assert graded.accuracy.value == pytest.approx(np.mean((margin > 0) == (p > 0.5), where=decided))
    sigmoid = 1 / (1 + np.exp(-margin))
    assert graded.brier == pytest.approx(np.nanmean((sigmoid - p) ** 2))
    assert sum(b.pairs for b in graded.reliability) == pytest.approx((~np.isnan(p)).sum())


def test_scores_with_a_zero_are_held_against_references_that_say_yes_or_no() -> None:
    pairs, grade = some_pairs(), truth()
    score = grade + np.random.default_rng(2).normal(size=IMAGES)
    score[3] = np.nan
    flag = np.where(np.arange(IMAGES) == 5, np.nan, np.where(grade > 0.5, 7.0, 2.0))
    references = {
        "flagged": Reference.of(by_score(pairs, grade), pairs, image_scores=flag),
        "graded": Reference.of(by_score(pairs, grade), pairs, image_scores=grade),
        "pairwise": Reference.of(by_score(pairs, grade), pairs),
    }
    test = np.arange(len(pairs))[::2]
    flagged, *others = evaluate(score, pairs, test, references, has_zero=True).references
    assert [r.yes_or_no for r in others] == [None, None]
    at = np.setdiff1d(pairs[test].images_used(), [3, 5])
    yes, so = score[at] > 0, flag[at] == 7
    found = flagged.yes_or_no
    assert found is not None and found.images == len(at) < IMAGES - 1
    assert found.yes == pytest.approx(so.mean())
    assert found.accuracy.value == pytest.approx((yes == so).mean())
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high
    assert found.precision == pytest.approx(so[yes].mean())
    assert found.recall == pytest.approx(yes[so].mean())
    # two test images: every grade has two values there
    few = evaluate(score, pairs, test[:1], references, has_zero=True).references
    assert few[0].yes_or_no.images == 2 and few[1].yes_or_no is None
    without = evaluate(score, pairs, test, references).references
    assert [r.yes_or_no for r in without] == [None] * 3


def test_win_share_is_taken_over_test_pairs() -> None:
    names = ["a", "b", "c", "d"]
    pairs, _, _ = Pairs.from_ids(["a", "a", "b", "c"], ["b", "c", "c", "d"], names)
    preference = np.array([1.0, 1.0, 1.0, 0.0])  # a > b > c on the test rows; d beats c elsewhere
    reference = {"votes": Reference.of(Labels.of(preference), pairs)}
    result = evaluate(np.array([3.0, 2, 1, 0]), pairs, [0, 1, 2], reference)
    assert result.images == 3 and result.references[0].spearman == 1


def test_images_without_a_score_are_counted_and_left_out() -> None:
    pairs, score = some_pairs(), truth()
    holes = score.copy()
    holes[[3, 7]] = np.nan
    holes[11] = np.inf
    everything = np.ones(len(pairs), dtype=bool)
    evaluation = evaluate(
        holes, pairs, everything, {"truth": Reference.of(by_score(pairs, score), pairs)}
    )
    (result,) = evaluation.references
    touched = np.isin(pairs.left, [3, 7, 11]) | np.isin(pairs.right, [3, 7, 11])
    assert evaluation.unscored_images == 3
    assert result.unscored == touched.sum() > 0
    assert result.pairs == (~touched).sum() and result.accuracy.value == 1
    shown = evaluation.highest + evaluation.middle + evaluation.lowest
    assert {"image 0003", "image 0007", "image 0011"}.isdisjoint(i.image_id for i in shown)


class OneScore(LabelSource):
    """A source over tables whose images stand in another order, or one that cannot be read."""

    def __init__(self, tables: Tables, problem: str | None = None, late: bool = False) -> None:
        super().__init__(tables, name="one score")
        self.problem, self.late, self.fitted = problem, late, 0

    def fit(self, pairs: Pairs) -> OneScore:
        self.fitted = len(pairs)
        return self

    def labels(self, pairs: Pairs) -> Labels:
        if self.late:
            raise LabelError("no rating at all", todo="add ratings")
        return Labels.of(np.full(len(pairs), 1.0))

    def image_scores(self) -> np.ndarray:
        return np.arange(len(self.tables.image_ids), dtype=float)

    def missing(self) -> str | None:
        return self.problem

    def fingerprint(self) -> str:
        return "one"


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    images = pa.table({"image_id": ["c", "b", "a"]})
    manifest = Manifest("toy", "synthetic")
    return Tables.write(tmp_path, manifest, {"images": images})


def test_a_source_is_read_once_fitted_on_training_pairs_and_aligned_by_image(
    tables: Tables,
) -> None:
    pairs, _, _ = Pairs.from_ids(["a", "b"], ["b", "z"], ["a", "b", "z"])
    source = OneScore(tables)
    reference = Reference.of(source, pairs, train=np.array([True, False]), learnt=True)
    assert source.fitted == 1 and reference.learnt
    np.testing.assert_array_equal(reference.image_scores, [2, 1, np.nan])


def test_what_cannot_judge_is_a_row_with_its_reason(tables: Tables) -> None:
    pairs = some_pairs()
    nothing = np.full(len(pairs), np.nan)
    references = {
        "absent": Reference.of(OneScore(tables, "no votes; run `interestingness annotate`"), pairs),
        "late": Reference.of(OneScore(tables, late=True), pairs),
        "unlabelled": Reference.of(Labels.of(nothing), pairs),
        "ties": Reference.of(Labels.of(np.full(len(pairs), 0.5)), pairs),
    }
    evaluation = evaluate(truth(), pairs, np.arange(40), references)
    reasons = {r.name: r.reason for r in evaluation.references}
    assert reasons["absent"] == "no votes; run `interestingness annotate`"
    assert reasons["late"] == "no rating at all what to do: add ratings"
    assert "no label for any of 40" in reasons["unlabelled"]
    assert "40 are ties" in reasons["ties"]
    assert not any(r.compared or r.accuracy.value for r in evaluation.references)
    assert evaluation.main is None and evaluation.main_result is None
    assert evaluation.mistakes == () and len(evaluation.highest) > 0

    references["truth"] = Reference.of(by_score(pairs, truth()), pairs)
    assert evaluate(truth(), pairs, np.arange(40), references, main="ties").main == "truth"


def test_no_test_pair_and_no_score_at_all() -> None:
    pairs, score = some_pairs(), truth()
    reference = {"truth": Reference.of(by_score(pairs, score), pairs)}
    empty = evaluate(score, pairs, np.array([], dtype=int), reference)
    assert empty.references[0].reason == "there is no test pair"
    assert (empty.pairs, empty.images, empty.highest) == (0, 0, ())
    diverged = evaluate(np.full(IMAGES, np.nan), pairs, np.arange(40), reference)
    assert "none with scores" in diverged.references[0].reason
    assert diverged.references[0].unscored == 40 and diverged.histogram.counts == ()


def test_constant_scores_are_at_chance_and_say_why_there_is_no_correlation() -> None:
    pairs = some_pairs()
    reference = {"truth": Reference.of(by_score(pairs, truth()), pairs)}
    evaluation = evaluate(np.zeros(IMAGES), pairs, np.arange(len(pairs)), reference)
    (result,) = evaluation.references
    assert result.accuracy.value == 0.5 and result.spearman is None
    assert any("no rank correlation" in note for note in result.notes)
    assert evaluation.mistakes == () and sum(evaluation.histogram.counts) == evaluation.images


def test_accuracy_by_consensus_and_by_tenths_with_many_raters() -> None:
    rng = np.random.default_rng(4)
    pairs, score = some_pairs(number=400), truth()
    side = by_score(pairs, score).preference
    consensus = rng.choice([0.6, 0.8, 1.0], size=len(pairs))
    flipped = np.where(consensus == 0.6, 1 - side, side)  # wrong exactly where people disagree
    labels = Labels(flipped, np.ones(len(pairs)), consensus)
    everything = np.arange(len(pairs))
    (result,) = evaluate(score, pairs, everything, {"v": Reference.of(labels, pairs)}).references
    assert [(c.label, c.accuracy.value) for c in result.consensus] == [
        ("60 %", 0),
        ("80 %", 1),
        ("100 %", 1),
    ]
    assert sum(c.pairs for c in result.consensus) == len(pairs)

    many = Labels(side, np.ones(len(pairs)), rng.integers(21, 41, size=len(pairs)) / 40)
    (result,) = evaluate(score, pairs, everything, {"v": Reference.of(many, pairs)}).references
    assert [c.label for c in result.consensus] == [
        "50–60 %",
        "60–70 %",
        "70–80 %",
        "80–90 %",
        "90–100 %",
    ]
    assert sum(c.pairs for c in result.consensus) == len(pairs)


def votes_of(pairs: Pairs, answers: list[list[float]]) -> Votes:
    """Every inner list is one rater's answers to all pairs."""
    number, raters = len(pairs), len(answers)
    return Votes(
        np.tile(pairs.key, raters),
        np.repeat(np.arange(raters, dtype=np.int32), number),
        tuple(f"person {r}" for r in range(raters)),
        np.zeros(number * raters, dtype=np.int8),
        np.concatenate([np.asarray(a, dtype=float) for a in answers]),
        np.full(number * raters, np.nan),
        np.zeros(number * raters, dtype=np.int32),
    )


def test_one_person_is_over_the_judged_pairs_only() -> None:
    pairs, _, _ = Pairs.from_ids(["a", "a", "b"], ["b", "c", "c"])
    votes = votes_of(pairs, [[1, 1, 0], [1, 1, 0], [1, 0, 1]])
    labels = Labels.of(np.array([1.0, 1.0, 0.0]))
    score = np.array([2.0, 1.0, 0.0])
    reference = {"human": Reference.of(labels, pairs, votes=votes)}
    first, both = (evaluate(score, pairs, rows, reference).references[0] for rows in ([0], [0, 1]))
    assert first.one_person is not None and first.one_person.accuracy == 1
    # pair 1: two raters meet one vote each way, a coin; the third meets two against it
    assert both.one_person is not None and both.one_person.accuracy == pytest.approx(
        (3 + 0.5 + 0.5) / 6
    )
    assert (both.one_person.raters, both.one_person.pairs) == (3, 2)

    alone = {"human": Reference.of(labels, pairs, votes=votes_of(pairs, [[1, 1, 0]]))}
    assert evaluate(score, pairs, [0, 1], alone).references[0].one_person is None


def test_mistakes_are_the_most_confident_first_against_the_main_reference() -> None:
    pairs, score = some_pairs(), truth()
    right = by_score(pairs, score)
    wrong = Labels(1 - right.preference, right.weight, np.full(len(pairs), 0.8))
    references = {"right": Reference.of(right, pairs), "wrong": Reference.of(wrong, pairs)}
    test = np.arange(80)
    assert evaluate(score, pairs, test, references).mistakes == ()
    evaluation = evaluate(score, pairs, test, references, main="wrong", shown=5)
    assert evaluation.main == "wrong" and len(evaluation.mistakes) == 5
    margins = [abs(m.margin) for m in evaluation.mistakes]
    every = np.abs(score[pairs.left] - score[pairs.right])[test]
    assert margins == sorted(every, reverse=True)[:5]
    worst = evaluation.mistakes[0]
    assert worst.margin == worst.left_score - worst.right_score
    assert (worst.probability > 0.5) != (worst.preference > 0.5)
    assert worst.consensus == 0.8 and worst.left < worst.right


@pytest.mark.parametrize("images", [2, 3, 4, 10, 60])
def test_extremes_never_show_an_image_twice(images: int) -> None:
    pairs = some_pairs(images, number=4 * images)
    score = truth(images)
    evaluation = evaluate(score, pairs, np.arange(len(pairs)), {}, shown=12)
    groups = [evaluation.highest, evaluation.middle, evaluation.lowest]
    shown = [image.image_id for group in groups for image in group]
    assert len(shown) == len(set(shown)) <= images
    for group in groups:
        scores = [image.score for image in group]
        assert scores == sorted(scores, reverse=True)
    assert evaluation.highest[0].score == score.max()
    assert evaluation.lowest[-1].score == score.min() and evaluation.lowest[-1].percentile == 0


def test_the_same_seed_gives_the_same_evaluation() -> None:
    pairs, score = some_pairs(), truth()
    noisy = score + np.random.default_rng(0).normal(size=IMAGES)
    reference = {"truth": Reference.of(by_score(pairs, score), pairs)}
    one, same, other = (
        evaluate(noisy, pairs, np.arange(60), reference, seed=seed).references[0].accuracy
        for seed in (1, 1, 2)
    )
    assert one == same and one.value == other.value and one.low != other.low


def test_wrong_shapes_and_names_are_refused() -> None:
    pairs, score = some_pairs(), truth()
    with pytest.raises(LabelError, match="scores of shape"):
        evaluate(score[:-1], pairs, [0], {})
    with pytest.raises(LabelError, match="main reference 'human'"):
        evaluate(score, pairs, [0], {}, main="human")
    with pytest.raises(LabelError, match="3 labels for 186 pairs"):
        Reference.of(Labels.of(np.ones(3)), pairs)
    with pytest.raises(LabelError, match="2 image scores for 60 images"):
        Reference.of(by_score(pairs, score), pairs, image_scores=np.ones(2))


def test_evaluating_and_reporting_need_no_torch() -> None:
    code = (
        "import sys; import interestingness.evaluation.evaluate, "
        "interestingness.evaluation.predictions, interestingness.reports.console, "
        "interestingness.reports.page; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def apart(pairs: Pairs) -> ImageGroups:
    """Groups of every third image; the last images have none."""
    names = np.array([["a", "b", "c"][i % 3] for i in range(len(pairs.image_ids))], dtype=object)
    names[-6:] = None
    return ImageGroups("kind", names, apart=True)


def test_groups_have_results_of_their_own() -> None:
    score = truth()
    groups = apart(some_pairs())
    inside = some_pairs(number=900)
    same = groups.of[inside.left] == groups.of[inside.right]
    known = np.array([name is not None for name in groups.of])
    pairs = inside[same & known[inside.left] & known[inside.right]]
    shifted = score + np.array([{"a": 50.0, "b": 0.0, "c": -50.0}.get(g, 0.0) for g in groups.of])
    labels = by_score(pairs, score)
    wrong = groups.of[pairs.left] == "b"
    labels = Labels.of(np.where(wrong, 1 - labels.preference, labels.preference))
    reference = {"truth": Reference.of(labels, pairs, image_scores=shifted)}
    found = evaluate(score, pairs, np.arange(len(pairs)), reference, groups=groups, resamples=50)
    (all_of_them,) = found.references
    assert all_of_them.spearman is None and all_of_them.kendall is None and all_of_them.ndcg is None
    assert "not comparable" in all_of_them.notes[0]
    by_name = {g.group: g.references[0] for g in found.groups}
    assert list(by_name) == ["a", "b", "c"] and found.group_column == "kind" and found.apart
    assert [by_name[g].accuracy.value for g in "abc"] == [1, 0, 1]
    assert sum(r.pairs for r in by_name.values()) == all_of_them.pairs
    # the reference's scores are those of the model plus a number for each group
    assert all(r.spearman == pytest.approx(1) for r in by_name.values())
    share = wrong.mean()
    assert all_of_them.accuracy.value == pytest.approx(1 - share)
    # a place among the images is one inside the group
    assert {str(i.image_id)[-4:] for i in found.highest[:3]} == {
        f"{max(np.flatnonzero(groups.of == g), key=lambda row: score[row]):04d}" for g in "abc"
    }
    assert not found.histogram.counts


def test_groups_of_a_split_keep_the_ranks_of_all() -> None:
    pairs, score = some_pairs(number=900), truth()
    groups = ImageGroups("kind", apart(pairs).of, apart=False)
    reference = {"truth": Reference.of(by_score(pairs, score), pairs)}
    found = evaluate(score, pairs, np.arange(len(pairs)), reference, groups=groups, resamples=50)
    inside = sum(g.references[0].pairs for g in found.groups)
    assert found.references[0].spearman is not None and 0 < inside < found.references[0].pairs


def test_of_many_groups_the_largest_are_shown() -> None:
    pairs, score = some_pairs(number=900), truth()
    names = np.array([f"g{i // 2:02d}" for i in range(IMAGES)], dtype=object)
    reference = {"truth": Reference.of(by_score(pairs, score), pairs)}
    found = evaluate(
        score, pairs, np.arange(len(pairs)), reference, groups=ImageGroups("g", names, apart=True),
        resamples=20,
    )  # fmt: skip
    assert 5 < len(found.groups) <= MOST_GROUPS


def test_margins_of_pairs_may_come_from_other_models_than_scores() -> None:
    pairs, score = some_pairs(), truth()
    margin = -(score[pairs.left] - score[pairs.right])
    margin[:7] = np.nan
    reference = {"truth": Reference.of(by_score(pairs, score), pairs, image_scores=score)}
    found = evaluate(
        Predicted(score, margin), pairs, np.arange(len(pairs)), reference, resamples=50
    )
    (result,) = found.references
    assert result.accuracy.value == 0 and result.spearman == 1
    assert result.unscored == 7 and result.pairs == len(pairs) - 7


def with_judge(votes: int, judge: Labels | None = None) -> ReferenceResult:
    """People label some test pairs of a good model, a judge all of them."""
    pairs, score = some_pairs(number=600), truth()
    noisy = score + np.random.default_rng(2).normal(size=IMAGES)
    rows = np.random.default_rng(0).permutation(len(pairs))[:votes]
    few = np.full(len(pairs), np.nan)
    few[rows] = by_score(pairs, score).preference[rows]
    references = {
        "human": Reference.of(Labels.of(few), pairs),
        "gpt4o": Reference.of(judge or by_score(pairs, score), pairs),
    }
    found = evaluate(noisy, pairs, np.arange(len(pairs)), references, main="human", judge="gpt4o")
    assert found.main_result is not None
    return found.main_result


def test_a_judge_that_says_what_people_say_gives_the_accuracy_on_all_pairs() -> None:
    found = with_judge(60)
    every = with_judge(len(some_pairs(number=600)))
    assert found.powered is not None and found.powered.labelled == found.pairs == 60
    assert found.powered.pairs == every.pairs and found.powered.judge == "gpt4o"
    assert found.powered.power == pytest.approx(1)
    assert found.powered.accuracy.value == pytest.approx(every.accuracy.value)
    narrow, wide = found.powered.accuracy, found.accuracy
    assert None not in (narrow.low, narrow.high, wide.low, wide.high)
    assert narrow.high - narrow.low < 0.7 * (wide.high - wide.low)  # type: ignore[operator]


def test_pairs_that_the_judge_has_no_label_for_are_left_out_of_both() -> None:
    pairs = some_pairs(number=600)
    labels = by_score(pairs, truth()).preference
    labels[::2] = np.nan
    found = with_judge(200, Labels.of(labels)).powered
    assert found is not None and found.pairs == len(labels) // 2 and 80 < found.labelled < 120


def test_a_judge_that_cannot_help_is_refused() -> None:
    with pytest.raises(LabelError, match="people decide 19"):
        with_judge(19)
    nothing = np.full(len(some_pairs(number=600)), np.nan)
    with pytest.raises(LabelError, match="people decide 0 pairs, of the 0"):
        with_judge(60, Labels.of(nothing))
    pairs = some_pairs()
    references = {"human": Reference.of(by_score(pairs, truth()), pairs)}
    for name in ("human", "gpt4o"):
        with pytest.raises(LabelError, match=f"judge={name}"):
            evaluate(truth(), pairs, np.arange(9), references, judge=name)


def test_accuracy_within_series_counts_pairs_of_one_series_only() -> None:
    """A model that knows the scene but not the frame is right between series, a coin inside."""
    frames, scenes = 4, 15
    score = truth()
    series = np.repeat([f"burst {k}" for k in range(scenes)], frames).astype(object)
    names = [f"image {i:04d}" for i in range(IMAGES)]
    both = [(a, b) for a in range(IMAGES) for b in range(a + 1, IMAGES)]
    pairs = Pairs.from_ids([names[a] for a, _ in both], [names[b] for _, b in both], names)[0]
    reference = {"truth": Reference.of(by_score(pairs, score), pairs)}
    flipped = np.repeat([score[k * frames :][:frames].mean() for k in range(scenes)], frames) * 100
    flipped -= score  # the scene decides, the frame is wrong
    every = np.arange(len(pairs))
    (found,) = evaluate(flipped, pairs, every, reference, series=series).references
    assert found.within_series is not None
    assert found.within_series.pairs == scenes * frames * (frames - 1) // 2
    assert found.within_series.series == scenes
    assert found.within_series.accuracy.value == 0
    assert found.accuracy.value is not None and found.accuracy.value > 0.5
    series[frames:] = None
    (few,) = evaluate(-score, pairs, every, reference, series=series).references
    assert few.within_series is not None and few.within_series.pairs == 6
    series[:] = None
    (none,) = evaluate(score, pairs, every, reference, series=series).references
    assert none.within_series is None
    assert evaluate(score, pairs, every, reference).references[0].within_series is None
