from __future__ import annotations

import copy
import pickle

import pytest

from interestingness import errors
from interestingness.errors import DataError, InterestingnessError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, InterestingnessError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_a_process_boundary(kind):
    error = kind("found", expected="expected", todo="todo")
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is kind
        assert str(copied) == str(error) == "found\n  expected: expected\n  what to do: todo"
        assert (copied.found, copied.expected, copied.todo) == ("found", "expected", "todo")


def test_only_what_is_said_is_printed():
    assert str(DataError("found")) == "found"
    assert str(DataError("found", todo="todo")) == "found\n  what to do: todo"
