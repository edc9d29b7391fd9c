"""Names of images, sides, spellings and the order of rows do not change a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interestingness.datasets.vote_tables import VoteFiles, read_vote_files
from interestingness.evaluation.evaluate import evaluate
from interestingness.evaluation.reference import Reference
from interestingness.labels.aggregation import aggregate
from interestingness.labels.order_term import OrderTerm
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.scoring.ranking import Ranking
from interestingness.stats.bootstrap import Interval
from interestingness.studies.audit import audit_votes
from interestingness.tables.tables import Votes

IMAGES, RATERS = 7, ("ann", "bob", "cy", "judge")
ALL_PAIRS = list(combinations(range(IMAGES), 2))


@dataclass(frozen=True)
class Row:
    """A vote: two image numbers, the column chosen and the one shown first, and how to spell."""

    left: int
    right: int
    choice: str
    first: str
    rater: str
    spelled: int = 0

    @property
    def turned(self) -> Row:
        """The same vote with its images in the other columns."""
        other = {"left": "right", "right": "left"}
        said, shown = (other.get(word, word) for word in (self.choice, self.first))
        return replace(self, left=self.right, right=self.left, choice=said, first=shown)


SPELLINGS: Sequence[Callable[[str], str]] = (
    lambda name: name,
    lambda name: f"./{name}",
    lambda name: f"C:\\Users\\ann\\study\\{name}",
    lambda name: f"/Users/bob/study/{name}",
    lambda name: name.upper(),
    lambda name: name.replace(".", "%2E"),
)

votes = st.lists(
    st.builds(
        lambda pair, choice, first, rater: Row(*pair, choice, first, rater),
        st.sampled_from(ALL_PAIRS),
        st.sampled_from(["left", "left", "right", "tie", ""]),
        st.sampled_from(["left", "right", ""]),
        st.sampled_from(RATERS),
    ),
    min_size=6,
    max_size=40,
).filter(lambda rows: any(row.choice for row in rows))
names = st.permutations([f"{n}{k}.jpg" for k, n in enumerate("zyxcbab")])
quick = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read(folder: Path, rows: Sequence[Row], name: Sequence[str]) -> VoteFiles:
    """Write rows as a table and read it as both commands do."""
    lines = ["left,right,choice,first,rater,rater_kind"]
    for row in rows:
        spell = SPELLINGS[row.spelled]
        kind = "model" if row.rater == "judge" else "human"
        left, right = spell(name[row.left]), spell(name[row.right])
        lines.append(f"{left},{right},{row.choice},{row.first},{row.rater},{kind}")
    path = folder / "votes.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_vote_files([path], default_question="interesting")


def audited(files: VoteFiles, name: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Every number of an audit by table, row and column; images by number."""
    found: dict[tuple[str, ...], float] = {}
    image = {n: f"image {k}" for k, n in enumerate(name)}
    result = audit_votes(files.table, files.pairs, question=files.question, where="v.csv")
    for table in result.tables:
        for row in table.rows:
            texts = sorted(image.get(v, v) for v in row.values() if isinstance(v, str))
            for column, value in row.items():
                # ranks and numbers of groups tell the rows of a table apart, as names do
                if (table.name, column) in (("ranking", "rank"), ("ranking", "group")):
                    continue
                ends: dict[str, Any] = {"": value}
                if isinstance(value, Interval):
                    ends = {"estimate": value.estimate, "low": value.low, "high": value.high}
                for end, number in ends.items():
                    if isinstance(number, int | float):
                        found[table.name, *texts, column, end] = float(number)
    return found


def trained(
    files: VoteFiles, name: Sequence[str], train: set[tuple[int, int]]
) -> dict[tuple[str, ...], float]:
    """Labels, order effects, a linear head on given training pairs, and its evaluation."""
    number = {n: k for k, n in enumerate(name)}
    features = np.random.default_rng(0).normal(size=(IMAGES, 3))
    pairs, cast = files.pairs, Votes.from_table(files.table)
    place = np.array([number[n] for n in pairs.image_ids], dtype=int)
    left, right = place[pairs.left], place[pairs.right]
    mine = [tuple(sorted(two)) for two in zip(left.tolist(), right.tolist(), strict=True)]
    sign = np.where(left < right, 1, -1)
    found: dict[tuple[str, ...], float] = {}
    term = OrderTerm.fit(cast)
    for rule in ("majority", "share", "consensus", "order_consistent", "order_corrected"):
        p = aggregate(rule, cast, pairs, model=term).preference
        for two, value, turn in zip(mine, p.tolist(), sign, strict=True):
            found[rule, str(two)] = value if turn > 0 else 1 - value
    found |= {("b", rater): float(b) for rater, b in zip(term.names, term.b, strict=True)}
    labels = aggregate("share", cast, pairs)
    rows = np.flatnonzero([two in train for two in mine])
    fits = fit_linear(
        features[place], pairs, labels.preference[:, None], labels.weight[:, None], [rows],
        l2=1.0, tolerance=1e-5,
    )  # fmt: skip
    found |= {("weight", str(k)): float(w) for k, w in enumerate(fits.weights[0, 0])}
    scores = features[place] @ [1.0, -2.0, 0.5]
    test = np.array([two not in train for two in mine])
    references = {"human": Reference.of(labels, pairs, votes=cast, learnt=True)}
    result = evaluate(scores, pairs, test, references, resamples=20).references[0]
    flat = {"": asdict(result)}
    while flat:
        key, value = flat.popitem()
        items: Mapping[Any, Any] = {}
        if isinstance(value, dict):
            items = value
        elif isinstance(value, list | tuple):
            items = dict(enumerate(value))
        elif isinstance(value, int | float):
            found["evaluation", key] = float(value)
        flat |= {f"{key}.{k}": v for k, v in items.items()}
    return found


def same(one: Mapping[Any, float], other: Mapping[Any, float]) -> None:
    """Compare all numbers; the solver's weights, in single precision, as far as they are exact."""
    assert one.keys() == other.keys() and one
    for key, value in one.items():
        within = 1e-4 if key[0] == "weight" else 1e-9
        assert other[key] == pytest.approx(value, abs=within, nan_ok=True), key


def both(folder: Path, rows: Sequence[Row], name: Sequence[str]) -> dict[Any, float]:
    files = read(folder, rows, name)
    train = set(ALL_PAIRS[::2])
    return {**audited(files, name), **trained(files, name, train)}


PLAIN = [f"{k}.jpg" for k in "abcdefg"]


@quick
@given(votes, names)
def test_names_of_images(tmp_path: Path, rows: list[Row], name: list[str]) -> None:
    same(both(tmp_path, rows, PLAIN), both(tmp_path, rows, name))


@quick
@given(votes, st.randoms(use_true_random=False))
def test_order_of_rows(tmp_path: Path, rows: list[Row], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    same(both(tmp_path, rows, PLAIN), both(tmp_path, shuffled, PLAIN))


@quick
@given(votes, st.data())
def test_columns_of_the_images(tmp_path: Path, rows: list[Row], data: st.DataObject) -> None:
    turned = [row.turned if data.draw(st.booleans()) else row for row in rows]
    same(both(tmp_path, rows, PLAIN), both(tmp_path, turned, PLAIN))


@quick
@given(votes, st.data())
def test_spellings(tmp_path: Path, rows: list[Row], data: st.DataObject) -> None:
    drawn = st.integers(0, len(SPELLINGS) - 1)
    spelled = [replace(row, spelled=data.draw(drawn)) for row in rows]
    there = {two for row, s in zip(rows, spelled, strict=True) if not s.spelled
             for two in (row.left, row.right)}  # fmt: skip
    # every image is called by its plain name at least once, so that prefixes can be told
    for at, row in enumerate(rows):
        if not {row.left, row.right} <= there:
            spelled[at] = row
            there |= {row.left, row.right}
    same(both(tmp_path, rows, PLAIN), both(tmp_path, spelled, PLAIN))


@quick
@given(votes)
def test_order_effects_change_their_sign_when_images_change_places(
    tmp_path: Path, rows: list[Row]
) -> None:
    other = {"left": "right", "right": "left", "": ""}
    late = [replace(row, first=other[row.first]) for row in rows]
    one, two = (read(tmp_path, some, PLAIN) for some in (rows, late))
    before, after = audited(one, PLAIN), audited(two, PLAIN)
    assert before.keys() == after.keys()
    for key, value in before.items():
        end = {"low": "high", "high": "low"}.get(key[-1], key[-1])
        if key[0] != "position":
            continue
        if key[-2] in ("order_term", "bias_index"):
            assert after[*key[:-1], end] == pytest.approx(-value, abs=1e-9, nan_ok=True), key
        elif key[-2] == "second":
            assert after[*key[:-1], end] == pytest.approx(1 - value, abs=1e-9, nan_ok=True), key
    terms = [OrderTerm.fit(Votes.from_table(files.table)).b for files in (one, two)]
    assert terms[1] == pytest.approx(-terms[0], abs=1e-9, nan_ok=True)


@quick
@given(
    st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=20, unique=True),
    st.randoms(use_true_random=False),
)
def test_rank(scores: list[float], random: Any) -> None:
    """Neither the names nor the order of the files enter the row of an image."""
    order = random.sample(range(len(scores)), len(scores))
    none = np.full(len(scores), -1)
    found = []
    for name, rows in ((lambda k: f"{k:02d}", range(len(scores))), (lambda k: f"x{99 - k}", order)):
        ids = [name(k) for k in rows]
        kept = np.array([scores[k] for k in rows])
        table = Ranking(ids, kept, none, {}, logits=True).columns()
        number = {name(k): k for k in range(len(scores))}
        columns = ("rank", "score", "percentile", "beats_median")
        found.append(
            {
                (number[image], column): float(table[column][at])
                for at, image in enumerate(table["image_id"])
                for column in columns
            }
        )
    same(*found)


def test_raters_of_one_mind_agree_whatever_the_names(tmp_path: Path) -> None:
    """The issue's own table: no alpha with 0, 1, 2; 1.00 with 3, 1, 2."""
    rows = [Row(*two, "left", "", r) for r in RATERS[:3] for two in ((0, 1), (0, 2), (1, 2))]
    for name in (["0.jpg", "1.jpg", "2.jpg"], ["3.jpg", "1.jpg", "2.jpg"]):
        found = audited(read(tmp_path, rows, name), name)
        assert {v for k, v in found.items() if k[-2:] == ("alpha", "estimate")} == {1.0}
        assert {v for k, v in found.items() if k[-2:] == ("kappa", "")} == {1.0}
