"""Build tables and figures of the ablation of label sources from ``SourceHeads``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from interestingness.labels.aggregation import ROUNDING
from interestingness.labels.source import Labels
from interestingness.number_text import percent
from interestingness.schema import Array, Pairs
from interestingness.stats.paired_splits import PairedDifference, corrected_paired_t, holm
from interestingness.studies.leaders import Verdict, leaders
from interestingness.studies.panel import Mask, agreement_of
from interestingness.studies.result import (
    Cell,
    Column,
    Figure,
    HeatMap,
    Spread,
    Table,
)
from interestingness.studies.source_heads import FITS, SourceHeads
from interestingness.studies.table_columns import (
    NOTE,
    describe_range,
    interval_charts,
    paired_interval,
    paired_test_note,
    paired_verdict,
    percent_text,
    write_p,
)

ONE_PERSON = (
    "One person: for each vote v on a test pair that the reference decides, with M the majority of "
    "the other people's votes on the pair, the mean of [v = M] + ½·[M is a tie]. A model that "
    "predicts the majority may exceed it."
)
ONE_SPLIT = "One split: there is no spread, and one split allows no test."
SPREAD = "Mean ± SD over splits; splits share images, so that SD / √splits is no standard error."
FIT, SOURCE = Column("fit", "fit"), Column("source", "learnt from")


def accuracy_table(heads: SourceHeads, reference: str) -> Table:
    """Tabulate each fit and source, one person, and chance (rows) by reference (columns)."""
    j = heads.references.index(reference)
    own = heads.sources.index(reference) if reference in heads.sources else None
    rows: list[dict[str, Cell]] = []
    for f, fit, k, source in _each(heads):
        notes = [heads.why(f, k) or _why_untested(heads, k, j)]
        row: dict[str, Cell] = {
            "fit": fit,
            "source": source,
            **_by_reference(heads, heads.accuracy[f, k]),
            "test_pairs": _where_tested(heads.decided[j], heads.accuracy[f, k, j]),
            "test_images": _where_tested(heads.test_images, heads.accuracy[f, k, j]),
            "train_pairs": round(float(heads.train_pairs[k].mean())),
            "l2": _median(heads.l2[k]) if f == 0 else None,
        }
        if own is not None and own != k:
            found = _difference(heads, f, k, own, j)
            row |= {"minus_own": paired_interval(found), "p": write_p(found.p)}
            notes.append(_other_splits(heads, f, k, own, j))
        rows.append(row | {"note": "; ".join(filter(None, notes))})
    rows.append({"fit": "–", "source": "one person", **_by_reference(heads, heads.one_person)})
    chance: dict[str, Cell] = {f"by_{name}": 0.5 for name in heads.references}
    rows.append({"fit": "–", "source": "chance", **chance})
    return Table(
        "label_source_table",
        "Accuracy on held-out pairs",
        [
            FIT,
            SOURCE,
            Column(f"by_{reference}", f"against {reference}", "percent"),
            Column("minus_own", f"minus learnt from {reference}", "percent",
                   f"difference of accuracies against {reference} on the splits where both have a "
                   "model, with the test's 95 % interval"),
            Column("p", "p", "text", "of that difference, not corrected for several sources"),
            Column("test_pairs", "test pairs", "count",
                   f"decided by {reference}, mean over splits"),
            Column("test_images", "test images", "count", "in test pairs, mean over splits"),
            *(Column(f"by_{name}", f"against {name}", "percent")
              for name in heads.references if name != reference),
            Column("train_pairs", "training pairs", "count", "labelled ones, mean over splits"),
            Column("l2", "L2", "number", "median over splits"),
            NOTE,
        ],
        rows,
        [_count_tested(heads, reference), _spread_note(heads), ONE_PERSON, *_test_note(heads)],
    )  # fmt: skip


def _each(heads: SourceHeads) -> Iterator[tuple[int, str, int, str]]:
    """Iterate over fits and sources: number and name of the fit, number and name of the source."""
    for f, fit in enumerate(FITS):
        for k, source in enumerate(heads.sources):
            yield f, fit, k, source


def _count_tested(heads: SourceHeads, reference: str) -> str:
    some = heads.test_pairs > 0
    if not some.any():
        return "No split has a test pair."
    decided = heads.decided[heads.references.index(reference)]
    return (
        f"A split tests on {describe_range(heads.test_pairs[some])} pairs of "
        f"{describe_range(heads.test_images[some])} images; {reference} decides "
        f"{describe_range(decided[some])} of them."
    )


def paired_table(heads: SourceHeads, reference: str) -> Table:
    """Test every two sources of a fit on the accuracy against the reference."""
    j, sources = heads.references.index(reference), heads.sources
    rows: list[dict[str, Cell]] = []
    for f, fit in enumerate(FITS):
        some = [(k, m) for k in range(len(sources)) for m in range(k + 1, len(sources))]
        found = [_difference(heads, f, k, m, j) for k, m in some]
        family = holm([one.p for one in found])
        for (k, m), one, together in zip(some, found, family.tolist(), strict=True):
            rows.append(
                {
                    "fit": fit,
                    "one": sources[k],
                    "other": sources[m],
                    "difference": paired_interval(one),
                    "t": one.t,
                    "p": write_p(one.p),
                    "holm": write_p(together),
                    "splits": one.splits,
                    "note": "" if one.splits > 1 else "fewer than two splits have both",
                }
            )
    return Table(
        "paired_tests",
        f"Are two sources different teachers, against {reference}?",
        [
            FIT,
            Column("one", "learnt from"),
            Column("other", "minus learnt from"),
            Column("difference", "difference", "percent",
                   "of accuracies on the splits where both have a model, 95 % interval"),
            Column("t", "t", "signed"),
            Column("p", "p"),
            Column("holm", "p, all tests", "text", "Holm's correction within the fit"),
            Column("splits", "splits", "count"),
            NOTE,
        ],
        rows,
        _test_note(heads) or [ONE_SPLIT],
    )  # fmt: skip


def rank_table(heads: SourceHeads) -> Table:
    """Tabulate r_S between the rankings of any two trained heads of a fit."""
    rows: list[dict[str, Cell]] = []
    for f, fit, k, source in _each(heads):
        row: dict[str, Cell] = {"fit": fit, "source": source}
        for m, other in enumerate(heads.sources):
            if m != k:
                row[f"with_{other}"] = Spread.of(heads.rank_correlation[f, k, m])
        rows.append(row)
    return Table(
        "rank_correlations",
        "r_S between the rankings of two trained models",
        [FIT, SOURCE, *(Column(f"with_{name}", name, "number") for name in heads.sources)],
        rows,
        [
            "Spearman's correlation of the scores that two models give to the images of a split's "
            f"test pairs. {_spread_note(heads)}"
        ],
    )


def agreement_sets_table(
    labels: Mapping[str, Labels],
    heads: SourceHeads,
    pairs: Pairs,
    within: Mask,
    text: str,
    *,
    threshold: float,
) -> Table:
    """Tabulate A on S, C_x and D_x of every source with every reference that has votes."""
    rows: list[dict[str, Cell]] = []
    for name in heads.references:
        found = labels[name]
        voted = within & ~np.isnan(found.consensus) & found.decided
        if not voted.any():
            continue
        clear = voted & (found.consensus >= threshold - ROUNDING)
        sets = {"s": within}
        # With one vote a pair there is neither consensus nor dissent.
        several = found.facts.get("votes", np.inf) > found.facts.get("voted_pairs", 0)
        if several:
            sets |= {"c": clear, "d": voted & ~clear}
        alone = "" if several else f"{name} has one vote a pair, which is no consensus"
        for source in heads.sources:
            if source == name:
                continue
            row: dict[str, Cell] = {"source": source, "reference": name}
            for key, where in sets.items():
                p = np.where(where, found.preference, np.nan)
                agreed, number = agreement_of(p, labels[source].preference, pairs)
                row |= {f"on_{key}": agreed if number else None, f"n_{key}": number}
            row["c_share"] = float(clear.sum() / within.sum()) if several else None
            row["note"] = alone if row["n_s"] else f"no pair in common with {name}"
            rows.append(row)
    return Table(
        "agreement",
        "Agreement of labels, before anything is learnt",
        [
            Column("source", "N"),
            Column("reference", "M"),
            Column("on_s", "A on S", "percent"),
            Column("n_s", "pairs", "count"),
            Column("on_c", "A on C_M", "percent"),
            Column("n_c", "pairs", "count"),
            Column("on_d", "A on D_M", "percent"),
            Column("n_d", "pairs", "count"),
            Column("c_share", "|C_M| of S", "percent"),
            NOTE,
        ],
        rows,
        [
            "A = share of pairs, decided by both, on which both choose the same image; chance is "
            f"50. S: {text}. C_M: pairs of S with at least {100 * threshold:g} % of the votes of M "
            "on one side; D_M: the others that M decides. |C_M| is a share of all pairs of S, also "
            "of those on which M ties or has no vote.",
        ],
    )


def long_table(heads: SourceHeads) -> Table:
    """Tabulate one row for each fit, source and reference, for further analysis."""
    rows: list[dict[str, Cell]] = []
    for f, fit, k, source in _each(heads):
        for j, name in enumerate(heads.references):
            reached = heads.accuracy[f, k, j]
            spread = Spread.of(reached)
            rows.append(
                {
                    "fit": fit,
                    "source": source,
                    "reference": name,
                    "accuracy": spread,
                    "splits": spread.repeats,
                    "pairs": _where_tested(heads.decided[j], reached),
                    "images": _where_tested(heads.test_images, reached),
                    "note": heads.why(f, k) or _why_untested(heads, k, j),
                }
            )
    return Table(
        "accuracies",
        "Every accuracy with its numbers",
        [
            FIT,
            SOURCE,
            Column("reference", "reference"),
            Column("accuracy", "accuracy", "percent"),
            Column("splits", "splits", "count"),
            Column("pairs", "test pairs", "count", "decided by the reference, mean over splits"),
            Column("images", "test images", "count", "in test pairs, mean over splits"),
            NOTE,
        ],
        rows,
        [_spread_note(heads)],
    )


def figures(heads: SourceHeads, reference: str) -> list[Figure]:
    """Draw accuracy with its spread, source × reference, and source × source."""
    j = heads.references.index(reference)
    rows = [
        (f"{source} · {fit}", Spread.of(heads.accuracy[f, k, j]))
        for k, source in enumerate(heads.sources)
        for f, fit in enumerate(FITS)
    ]
    over = ": mean ± SD over splits" if len(heads.no_split) > 1 else ", one split"
    found: list[Figure] = interval_charts(
        "accuracy",
        "What each source teaches",
        f"Accuracy on held-out pairs, against {reference}{over}.",
        rows,
        {"chance": 0.5, "one person": Spread.of(heads.one_person[j]).mean},
    )
    if len(heads.sources) > 1:
        captions = f"Mean accuracy on held-out pairs, {FITS[0]}.", f"Mean r_S, {FITS[0]}."
        by_reference, by_source = _mean(heads.accuracy[0]), _mean(heads.rank_correlation[0])
        found += [
            HeatMap("source_by_reference", "Learnt from × reference", captions[0],
                    heads.sources, heads.references, by_reference),
            HeatMap("source_by_source", "Do two models rank alike?", captions[1],
                    heads.sources, heads.sources, by_source, "signed", 0.0),
        ]  # fmt: skip
    return found


def answer(heads: SourceHeads, reference: str) -> str:
    """Name each fit's best source, those not measurably below it, the truth, and one person."""
    j = heads.references.index(reference)
    ranked = [_ranked(heads, f, j) for f in range(len(FITS))]
    if not any(ranked):
        return f"No head could be trained and tested against {reference}; the notes say why."
    said = [f"Against {reference} on held-out pairs:"]
    for f, fit in enumerate(FITS):
        chosen = [k for k in ranked[f] if heads.sources[k] not in heads.planted]
        if chosen:
            said.append(_best(heads, f, chosen, j, fit))
    truth = [k for k in ranked[0] if heads.sources[k] in heads.planted]
    if truth:
        said.append(
            f"The planted truth ({heads.sources[truth[0]]}), which nobody could choose, would give "
            f"{percent_text(Spread.of(heads.accuracy[0, truth[0], j]))} by the {FITS[0]}."
        )
    if len(heads.no_split) == 1:
        said.append("One split allows no test.")
    one_person = Spread.of(heads.one_person[j])
    if one_person.repeats:
        said.append(f"One person reaches {percent_text(one_person.mean)} against the others.")
    return " ".join(said)


def _ranked(heads: SourceHeads, f: int, j: int) -> list[int]:
    """Sort the sources with a tested model of this fit, the best first."""
    spreads = [Spread.of(heads.accuracy[f, k, j]) for k in range(len(heads.sources))]
    return sorted((k for k, s in enumerate(spreads) if s.repeats), key=lambda k: -spreads[k].mean)


def _best(heads: SourceHeads, f: int, ranked: list[int], j: int, fit: str) -> str:
    """Name the source that a head learns most from, if the tests name one."""

    def verdict(one: int, other: int) -> Verdict:
        return paired_verdict(_difference(heads, f, ranked[one], ranked[other], j))

    spreads = [Spread.of(heads.accuracy[f, k, j]) for k in ranked]
    found = leaders([spread.mean for spread in spreads], verdict)
    names = [heads.sources[k] for k in ranked]
    return found.told(
        f"accuracy by the {fit}", names, [percent_text(s) for s in spreads], "over splits"
    )


def _spread_note(heads: SourceHeads) -> str:
    return SPREAD if len(heads.no_split) > 1 else ONE_SPLIT


def _test_note(heads: SourceHeads) -> list[str]:
    return [paired_test_note(heads.test_per_train)] if len(heads.no_split) > 1 else []


def _other_splits(heads: SourceHeads, f: int, k: int, own: int, j: int) -> str:
    """Compare two on the splits where both have a model, if their means are of other splits."""
    one, other = heads.accuracy[f, k, j], heads.accuracy[f, own, j]
    both = ~np.isnan(one) & ~np.isnan(other)
    if not both.any() or (np.isnan(one) == np.isnan(other)).all():
        return ""
    return (
        f"means cover different splits; on the {both.sum()} where both have a model "
        f"{percent(one[both].mean())} against {percent(other[both].mean())}"
    )


def _by_reference(heads: SourceHeads, values: Array) -> dict[str, Cell]:
    """Make cells from numbers of shape (R, S)."""
    spreads = {f"by_{name}": Spread.of(values[j]) for j, name in enumerate(heads.references)}
    return {name: spread for name, spread in spreads.items() if spread.repeats}


def _difference(heads: SourceHeads, f: int, k: int, m: int, j: int) -> PairedDifference:
    one, other = heads.accuracy[f, k, j], heads.accuracy[f, m, j]
    return corrected_paired_t(one, other, test_per_train=heads.test_per_train, most=1.0)


def _why_untested(heads: SourceHeads, k: int, j: int) -> str:
    """Explain why an existing head was never tested."""
    if not np.isnan(heads.accuracy[:, k, j]).all() or heads.decided[j].any():
        return ""
    return f"{heads.references[j]} decides no test pair"


def _mean(values: Array) -> Array:
    """Average over the last axis without NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    number = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _where_tested(numbers: NDArray[np.int64], reached: Array) -> int | None:
    """Average over the splits that gave an accuracy, rounded."""
    known = ~np.isnan(reached)
    return round(float(numbers[known].mean())) if known.any() else None


def _median(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None
