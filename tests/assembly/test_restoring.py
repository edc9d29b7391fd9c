"""What ``evaluate.py`` takes of a run's config, and what of its own command line."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from interestingness.assembly.checks import check, plain
from interestingness.assembly.restoring import merge
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError

RECORD: dict[str, Any] = {
    "question": "interesting",
    "paths": {"cache": "then"},
    "dataset": {"root": "then/tables"},
    "model": {},
    "data": {"source": "features", "max_bad_share": 0.02},
}


def asked(*words: str) -> Any:
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        return compose("evaluate", ["ckpt=run", "paths.cache=now", "paths.run=x", *words])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {}),
        (["data.max_bad_share=0.5"], {"max_bad_share": 0.5}),
        (["data.max_pixels=7"], {"max_pixels": 7}),
    ],
)
def test_limits_on_unreadable_images_are_the_runs_unless_given(
    words: list[str], found: dict[str, Any]
) -> None:
    cfg = asked(*words)
    check(plain(cfg))
    merged = merge(RECORD, cfg)
    assert merged.data == {**RECORD["data"], **found}


@pytest.mark.parametrize("word", ["data.max_bad_share=2", "data.max_pixels=0"])
def test_limits_that_cannot_be_meant(word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        check(plain(asked(word)))
