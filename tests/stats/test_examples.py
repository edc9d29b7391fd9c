import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["agreement", "bradley_terry", "correlation", "paired_splits"])
def test_examples_in_docstrings_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"interestingness.stats.{name}"))
    assert found.attempted and not found.failed
