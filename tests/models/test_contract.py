import json
from dataclasses import fields, replace

import pytest

from interestingness.errors import WeightsError
from interestingness.models.contract import EmbeddingContract

CONTRACT = EmbeddingContract(
    "open_clip", "ViT-B-32", "ab" * 32, 512, 224, "shortest", 224, mean=(0.1, 0.2, 0.3)
)


def test_survives_json():
    again = EmbeddingContract.from_dict(json.loads(json.dumps(CONTRACT.as_dict())))
    assert again == CONTRACT
    assert again.fingerprint() == CONTRACT.fingerprint()


@pytest.mark.parametrize("name", [f.name for f in fields(EmbeddingContract)])
def test_every_value_is_part_of_the_fingerprint(name):
    value = getattr(CONTRACT, name)
    other = {str: f"{value}x", int: value + 1 if isinstance(value, int) else 0}.get(type(value))
    if isinstance(value, bool):
        other = not value
    elif isinstance(value, tuple):
        other = (*value[:2], value[2] + 0.001)
    changed = replace(CONTRACT, **{name: other})
    assert changed.fingerprint() != CONTRACT.fingerprint()
    assert [text.split(":")[0] for text in CONTRACT.differences(changed)] == [name]


def test_a_contract_without_pooling_is_as_it_was_before_there_was_one():
    assert "pooling" not in CONTRACT.as_dict()
    chosen = replace(CONTRACT, pooling="token")
    assert EmbeddingContract.from_dict(chosen.as_dict()) == chosen


def test_other_values_are_refused():
    values = CONTRACT.as_dict()
    del values["std"]
    with pytest.raises(WeightsError, match="std"):
        EmbeddingContract.from_dict(values)
    with pytest.raises(WeightsError, match="colour"):
        EmbeddingContract.from_dict({**CONTRACT.as_dict(), "colour": "grey"})


def test_cached_features_are_known_by_content():
    one = EmbeddingContract.of_cached("vectors.npz", "11", 4)
    assert one.fingerprint() != EmbeddingContract.of_cached("vectors.npz", "12", 4).fingerprint()
