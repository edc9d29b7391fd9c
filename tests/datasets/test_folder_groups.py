"""``dataset.pairs_within``: pairs inside groups only, however they come about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interestingness.datasets.pairing import random_pairs_within
from interestingness.errors import DataError
from interestingness.tables.tables import Tables

Write = Callable[[str, str], Path]
Prepare = Callable[..., Tables]

KIND = {"a.jpg": "x", "b.JPG": "x", "c.png": "y", "trip/d.jpg": "y", "trip/e.webp": "x"}
"""``Zürich 1.jpg`` has no group."""
GROUPS = "image,kind\n" + "".join(f"{name},{kind}\n" for name, kind in KIND.items())
SCORES = "image,stars,day\n" + "".join(
    f"{name},{n % 5},{1 if kind == 'x' else 2}\n" for n, (name, kind) in enumerate(KIND.items())
)
ALL = [
    ("a.jpg", "b.JPG", "left"),
    ("a.jpg", "c.png", "left"),
    ("c.png", "trip/d.jpg", "right"),
    ("b.JPG", "trip/e.webp", "tie"),
    ("a.jpg", "Zürich 1.jpg", "left"),
]
VOTES = "left,right,choice\n" + "".join(f"{a},{b},{c}\n" for a, b, c in ALL)
BETWEEN = "left,right,choice\na.jpg,c.png,left\n"


def kinds(tables: Tables) -> list[tuple[str | None, str | None]]:
    """Groups of the two images of each pair."""
    pairs = tables.pairs
    return [
        (KIND.get(str(pairs.image_ids[a])), KIND.get(str(pairs.image_ids[b])))
        for a, b in zip(pairs.left, pairs.right, strict=True)
    ]


@pytest.mark.parametrize("source", ["nothing", "scores", "ratings"])
def test_drawn_pairs_are_inside_groups(prepare: Prepare, write: Write, source: str) -> None:
    rows = [
        f"{name},{rater},{n}\n" for rater in "pq" for n, name in enumerate([*KIND, "Zürich 1.jpg"])
    ]
    given: dict[str, Any] = {
        "nothing": {},
        "scores": {"scores": write("s.csv", SCORES)},
        "ratings": {"ratings": write("r.csv", "image,rater,rating\n" + "".join(rows))},
    }[source]
    tables = prepare(groups=write("g.csv", GROUPS), pairs_within="kind", pairs_per_image=5, **given)
    # three and one are all that there are; of ratings, as many as matching finds
    least = 2 if source == "ratings" else 3
    found = Counter(kinds(tables))
    assert found.keys() == {("x", "x"), ("y", "y")} and least <= found["x", "x"] <= 3
    facts = tables.manifest.facts
    assert facts["pairs_within"] == "kind"
    assert facts["pairs"]["images_without_group"] == 1 and facts["pairs"]["groups"] == 2
    if source == "ratings":
        assert tables.table("votes").num_rows == 2 * len(tables.pairs)


def test_a_column_of_numbers_is_a_group_too(prepare: Prepare, write: Write) -> None:
    tables = prepare(scores=write("s.csv", SCORES), pairs_within="day", pairs_per_image=5)
    assert Counter(kinds(tables)) == {("x", "x"): 3, ("y", "y"): 1}


def test_votes_between_groups_are_left_out_and_counted(prepare: Prepare, write: Write) -> None:
    tables = prepare(
        votes=write("v.csv", VOTES), groups=write("g.csv", GROUPS), pairs_within="kind"
    )
    assert Counter(kinds(tables)) == {("x", "x"): 2, ("y", "y"): 1}
    assert tables.table("votes").num_rows == 3
    facts = tables.manifest.facts
    assert facts["votes"]["between_groups_left_out"] == 2
    assert facts["pairs"]["between_groups_left_out"] == 2


def test_listed_pairs_between_groups_are_left_out_with_their_votes(
    prepare: Prepare, write: Write
) -> None:
    listed = "left,right\n" + "".join(f"{a},{b}\n" for a, b, _ in ALL[:3])
    tables = prepare(
        pairs=write("p.csv", listed),
        votes=write("v.csv", "\n".join(["left,right,choice", *map(",".join, ALL[:2])]) + "\n"),
        groups=write("g.csv", GROUPS),
        pairs_within="kind",
    )  # fmt: skip
    assert Counter(kinds(tables)) == {("x", "x"): 1, ("y", "y"): 1}
    assert tables.table("votes").num_rows == 1


def test_without_the_option_nothing_changes(prepare: Prepare, write: Write) -> None:
    tables = prepare(votes=write("v.csv", VOTES), groups=write("g.csv", GROUPS))
    assert len(tables.pairs) == 5 and "pairs_within" not in tables.manifest.facts


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"groups": GROUPS, "pairs_within": "colour"}, "one of kind"),
        ({"pairs_within": "kind"}, "a table of scores or groups"),
        ({"groups": "image,kind\na.jpg,x\nc.png,y\n", "pairs_within": "kind"}, "no two in one"),
        (
            {"groups": GROUPS, "pairs_within": "kind", "votes": BETWEEN},
            "none of 1 pairs",
        ),
    ],
)  # fmt: skip
def test_groups_that_cannot_be_used(
    prepare: Prepare, write: Write, given: dict[str, str], said: str
) -> None:
    options = {
        name: value if name == "pairs_within" else write(f"{name}.csv", value)
        for name, value in given.items()
    }
    with pytest.raises(DataError, match=said):
        prepare(**options)


def test_every_image_is_in_as_many_pairs_as_its_group_allows() -> None:
    group = np.array([0] * 8 + [1] * 3 + [2] + [-1] * 4)
    pairs = random_pairs_within(np.arange(16), group, 4, seed=0)
    counts = np.bincount(pairs.ravel(), minlength=16)
    assert counts.tolist() == [4] * 8 + [2] * 3 + [0] * 5
    assert (group[pairs[:, 0]] == group[pairs[:, 1]]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
