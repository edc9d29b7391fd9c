"""``loss=binary`` takes labels that are a yes or no per image, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.errors import ConfigError
from interestingness.learning.flags import check_flags
from interestingness.schema import Pairs

IDS = ["a", "b", "c", "d"]
PAIRS = Pairs.from_ids(["a", "a", "b"], ["b", "c", "d"], IDS)[0]
NAN = np.nan


def test_a_flag_is_taken() -> None:
    flags = np.array([1.0, 0.0, NAN, 1.0])
    assert check_flags("lafin", np.array([1.0, 0.5, 0.0]), PAIRS, flags) == ""


def test_graded_scores_are_refused() -> None:
    with pytest.raises(ConfigError, match="'views'") as raised:
        check_flags("views", np.array([1.0, 1.0, 0.0]), PAIRS, np.array([3.0, 2.0, 1.0, NAN]))
    assert "label_source=scores" in raised.value.todo


def test_an_image_that_wins_and_loses_is_refused() -> None:
    # a beats b, c beats a: a is on both sides; the third pair is tied
    with pytest.raises(ConfigError, match="'human'"):
        check_flags("human", np.array([1.0, 0.2, 0.5]), PAIRS, None)


def test_pairs_that_do_not_contradict_a_flag_are_said_to_be_pairs() -> None:
    for preference in ([1.0, 1.0, 0.0], [1.0, NAN, 0.5]):
        said = check_flags("human", np.array(preference), PAIRS, None)
        assert "'human'" in said
