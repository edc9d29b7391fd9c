"""Texts → vectors: word counts, what is kept, what a failing service costs."""

import numpy as np
import pytest

from interestingness.errors import ConfigError, DataError
from interestingness.progress import ProgressLine
from interestingness.studies import embedding
from interestingness.studies.embedding import TfidfEmbedder, text_vectors


class Service:
    """One number a letter; counts its calls and may fail."""

    def __init__(self, *, name="s", fail_after=None, vectors=None):
        self.name, self.fail_after, self.vectors = name, fail_after, vectors
        self.asked = []

    def embed(self, texts):
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise ConfigError("the service is down", expected="an answer", todo="start it")
        self.asked.append(list(texts))
        if self.vectors is not None:
            return self.vectors
        return np.array([[t.count(c) for c in "abc"] for t in texts], dtype=np.float32)

    def fingerprint(self):
        return self.name

    def describe(self):
        return f"service {self.name}"


def vectors(service, texts, folder):
    return text_vectors(service, texts, cache=folder, progress=ProgressLine("test"))


def test_vectors_have_length_one_and_equal_texts_are_asked_once(tmp_path):
    service = Service()
    found = vectors(service, ["aab", "c", "aab", "xyz"], tmp_path)
    assert service.asked == [["aab", "c", "xyz"]]
    np.testing.assert_allclose(found[0], np.array([2, 1, 0]) / np.sqrt(5))
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(np.linalg.norm(found, axis=1).round(6), [1, 1, 1, 0])


def test_what_was_embedded_is_kept_and_other_models_do_not_mix(tmp_path):
    first = vectors(Service(), ["a", "ab"], tmp_path)
    again = Service()
    found = vectors(again, ["ab", "c", "a"], tmp_path)
    assert again.asked == [["c"]]
    np.testing.assert_array_equal(found[[2, 0]], first)
    other = Service(name="other")
    vectors(other, ["a"], tmp_path)
    assert other.asked == [["a"]]


def test_a_service_that_goes_down_costs_one_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "BATCH", 2)
    texts = ["a", "b", "c", "ab", "bc"]
    with pytest.raises(ConfigError, match="the service is down") as raised:
        vectors(Service(fail_after=2), texts, tmp_path)
    assert "4 of 5 texts are embedded and kept" in raised.value.todo
    again = Service()
    found = vectors(again, texts, tmp_path)
    assert again.asked == [["bc"]]
    np.testing.assert_allclose(found, vectors(Service(), texts, tmp_path / "fresh"))


def test_damaged_vectors_are_embedded_again(tmp_path):
    vectors(Service(), ["a", "b"], tmp_path)
    for file in (tmp_path / "texts").rglob("features.npy"):
        file.write_bytes(file.read_bytes()[:-3])
    again = Service()
    np.testing.assert_array_equal(vectors(again, ["a", "b"], tmp_path), np.eye(3)[:2])
    assert again.asked == [["a", "b"]]


@pytest.mark.parametrize(
    "wrong", [np.ones((1, 3)), np.ones(2), np.array([[1.0, np.nan, 0], [1, 1, 1]])]
)
def test_vectors_of_a_wrong_shape_or_not_finite_are_refused_and_not_kept(tmp_path, wrong):
    with pytest.raises(DataError, match="one finite vector a text"):
        vectors(Service(vectors=wrong), ["a", "b"], tmp_path)
    again = Service()
    vectors(again, ["a", "b"], tmp_path)
    assert again.asked == [["a", "b"]]


def test_counts_of_words_put_texts_on_the_same_things_together(tmp_path):
    texts = [
        "a red boat on the sea",
        "two boats at sea",
        "a cat in a room",
        "cats sleep in the room",
        "it is the of and",
    ]
    found = vectors(TfidfEmbedder(), texts, tmp_path)
    alike = found @ found.T
    assert alike[0, 1] > 0.4 > alike[0, 2] and alike[2, 3] > 0.4 > alike[1, 3]
    assert not found[4].any(), "stop words alone have no direction"
    assert not (tmp_path / "texts").exists(), "vectors that depend on all texts must not be kept"


def test_fewer_dimensions_than_words_keep_neighbours():
    rng = np.random.default_rng(0)
    words = np.array([f"{a}{b}word" for a in "bcdfg" for b in "aeiou"])
    topics = [words[:12], words[12:]]
    texts = [" ".join(rng.choice(topics[k % 2], 6)) for k in range(60)]
    found = TfidfEmbedder(dim=4).embed(texts)
    assert found.shape == (60, 4) and found.dtype == np.float32
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    alike = unit @ unit.T
    same = np.add.outer(np.arange(60), np.arange(60)) % 2 == 0
    assert alike[same].mean() > alike[~same].mean() + 0.3
    np.testing.assert_array_equal(found, TfidfEmbedder(dim=4).embed(texts))


def test_texts_without_a_word_are_an_error():
    with pytest.raises(DataError, match="none of 2 texts has an English word"):
        TfidfEmbedder().embed(["123 !!", "the of"])
