"""Words of texts and the names of clusters."""

import numpy as np
import pytest

from interestingness.stats.salient_words import salient_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two dogs are standing in the RAIN.", ["dog", "stand", "rain"]),
        ("The image is interesting: a fire at night", ["fire", "night"]),
        ("women, flowers; flowers!", ["woman", "flower", "flower"]),
        ("<b>bold</b> & 42 x 3.5", ["bold"]),
        ("Cafés on the Seine", ["café", "seine"]),
        ("", []),
        ("…!? 123 _", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


def test_words_can_be_ignored():
    assert words_of("dogs and cats", ignore={"dog"}) == ["cat"]
    assert words_of("an interesting image", ignore=()) == ["image"]  # the other is a stop word


def test_clusters_are_named_by_what_others_lack():
    texts = [{"dog", "person"}, {"dog", "person"}, {"car", "person"}, {"car", "street"}]
    named = salient_words(texts, np.array([0, 0, 1, 1]), most=2)
    assert named == [("dog", "person"), ("car", "street")]


def test_a_word_counts_once_in_a_text():
    texts = [["boat", "boat", "boat"], ["sea"], ["sea"], ["tree"]]
    assert salient_words(texts, np.array([0, 0, 0, 1]))[0] == ("sea", "boat")


def test_clusters_without_words_have_no_name():
    assert salient_words([[], ["sky"]], np.array([0, 1])) == [(), ("sky",)]
    assert salient_words([], np.array([], dtype=int)) == []
