"""A config that passed the check is known again; another one, or other code, is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from interestingness.assembly import checked_before
from interestingness.assembly.checked_before import known_defaults, remember
from interestingness.assembly.checks import class_defaults, effective

RIGHT = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1}


def config(folder: Path, run: str = "a", **changes: Any) -> dict[str, Any]:
    paths = {"runs": str(folder), "run": str(folder / run), "cache": "~/cache"}
    logger = {"save_dir": str(folder / run)}
    callbacks = {"dirpath": f"{folder / run}/checkpoints"}
    whole = {"optimizer": RIGHT, "paths": paths, "logger": logger, "callbacks": callbacks}
    return {**whole, "trust": [], "skip_finished": False, **changes}


def test_the_folder_of_a_run_does_not_matter(tmp_path: Path) -> None:
    first = config(tmp_path)
    assert known_defaults(first, ["mylab"]) is None
    defaults = class_defaults(first)
    remember(first, ["mylab"], defaults)
    again = config(tmp_path, run="another", skip_finished=True)
    assert known_defaults(again, ["mylab"]) == json.loads(json.dumps(defaults))
    assert effective(again, known_defaults(again, ["mylab"])) == effective(again)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {**RIGHT, "lr": -1}},
        {"optimizer": {**RIGHT, "_target_": "torch.optim.SGD"}},
        {"trust": ["other"]},
        {"seed": 1},
    ],
)
def test_another_config_is_not_known(tmp_path: Path, changes: dict[str, Any]) -> None:
    first = config(tmp_path)
    remember(first, [], class_defaults(first))
    assert known_defaults(config(tmp_path, **changes), []) is None


def test_other_code_or_trust_is_not_known(tmp_path: Path, monkeypatch) -> None:
    first = config(tmp_path)
    remember(first, [], class_defaults(first))
    assert known_defaults(first, ["mylab"]) is None
    monkeypatch.setattr(checked_before, "_code", lambda _: ["torch", "99"])
    assert known_defaults(first, []) is None


def test_a_damaged_file_is_not_believed(tmp_path: Path) -> None:
    first = config(tmp_path)
    remember(first, [], {})
    (file,) = tmp_path.glob("index/config-*.json")
    file.write_text("{")
    assert known_defaults(first, []) is None
