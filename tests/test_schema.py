from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interestingness.errors import DataError
from interestingness.schema import Pair, Pairs, Side, lookup, pair_id, pair_key

ids = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=2, unique=True)


def test_sides():
    assert Side.LEFT.other is Side.RIGHT and Side.RIGHT.other is Side.LEFT
    assert Side("left") == "left"


def test_a_pair_is_the_same_in_any_order():
    assert Pair.of("b", "a") == Pair.of("a", "b") == Pair(pair_id("a", "b"), "a", "b")
    assert len(pair_id("a", "b")) == 16
    assert int(pair_id("a", "b"), 16) == pair_key("a", "b")
    # neither a different cut of the same letters nor other ids share it
    assert len({pair_id(*p) for p in [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "c")]}) == 4


def test_an_image_is_no_pair_with_itself():
    with pytest.raises(DataError, match="with itself"):
        Pair.of("a", "a")
    with pytest.raises(DataError, match="row 1: a pair of image 'b' with itself"):
        Pairs.from_ids(["a", "b"], ["b", "b"])


@settings(max_examples=40, deadline=None)
@given(st.lists(ids, max_size=20))
def test_pairs_from_ids_remember_each_row(rows):
    one, other = [a for a, _ in rows], [b for _, b in rows]
    pairs, row, swapped = Pairs.from_ids(one, other)
    assert len(set(pairs.pair_ids)) == len(pairs)
    assert (pairs.image_ids[pairs.left] < pairs.image_ids[pairs.right]).all()
    for a, b, at, turned in zip(one, other, row, swapped, strict=True):
        found = pairs.pair(at)
        assert (found.left, found.right) == ((b, a) if turned else (a, b))
        assert found == Pair.of(a, b)
    first = list(dict.fromkeys(pair_id(*sorted(r)) for r in rows))
    assert pairs.pair_ids == first


def test_the_vocabulary_is_kept_or_refused():
    pairs, _, _ = Pairs.from_ids(["c"], ["a"], ["c", "b", "a"])
    assert pairs.image_ids.tolist() == ["c", "b", "a"]
    assert (pairs.left[0], pairs.right[0]) == (2, 0)
    assert pairs.images_used().tolist() == [0, 2]
    with pytest.raises(DataError, match="'x', which is not in the image table"):
        Pairs.from_ids(["a"], ["x"], ["a", "b"])


def test_parts_keep_the_vocabulary_and_find_by_key():
    pairs, _, _ = Pairs.from_ids(["a", "b", "c"], ["b", "c", "d"])
    part = pairs[np.array([2, 0])]
    assert len(part) == 2 and part.image_ids is pairs.image_ids
    np.testing.assert_array_equal(part.find(pairs.key), [1, -1, 0])
    np.testing.assert_array_equal(pairs[:0].find(pairs.key), [-1, -1, -1])
    assert len(pairs[np.array([True, False, True])]) == 2


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=20), st.lists(st.integers(0, 40)))
def test_lookup_is_a_dictionary(known, wanted):
    wanted = np.array([*wanted, *known], dtype=np.uint64)
    place = {key: i for i, key in enumerate(known)}
    found = lookup(np.array(known, dtype=np.uint64), wanted)
    assert found.tolist() == [place.get(int(key), -1) for key in wanted]
