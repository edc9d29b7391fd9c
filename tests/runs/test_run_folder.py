"""The name of a run is the name of its folder; a name that has a run is refused."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from interestingness.assembly.checks import check, identity, plain
from interestingness.cli import conf_folder
from interestingness.runs.run_folder import refuse_taken

FILES = {"done": "metrics.json", "stopped": "checkpoints/last.ckpt", "failed": "run.json"}


def config(folder: Path, name: str | None, **more: Any) -> Any:
    where = more.pop("where", folder / str(name))
    hydra = {"run": {"dir": str(where)}, "overrides": {"hydra": more.pop("typed", [])}}
    return OmegaConf.create({"name": name, "resume": None, "hydra": hydra, **more})


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, file in FILES.items():
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "resume", "refused"),
    [
        (None, None, False),
        ("new", None, False),
        ("a/new one", None, False),
        ("done", None, True),
        ("stopped", None, True),
        ("failed", None, False),  # nothing would be lost
        ("stopped", "stopped", False),
        ("stopped", "stopped/checkpoints/last.ckpt", False),
        ("stopped", "done", True),
        ("../done", None, True),
        ("/tmp/x", None, True),
    ],
)
def test_which_names_are_refused(
    runs: Path, name: str | None, resume: str | None, refused: bool
) -> None:
    error = refuse_taken(config(runs, name, resume=resume and str(runs / resume)))
    assert (error is not None) is refused
    if error is not None:
        assert f"name={name}" in error.found and error.expected and error.todo


def test_a_folder_that_was_given_otherwise_is_not_checked(runs: Path) -> None:
    # A job of a sweep, and the processes of a run, are given theirs.
    given = config(runs, "done", typed=[f"hydra.run.dir={runs / 'done'}"])
    assert refuse_taken(given) is None


@pytest.mark.parametrize("command", ["train", "evaluate", "study"])
def test_the_name_is_the_folder(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {"train": [], "evaluate": ["ckpt=x"], "study": ["study=audit"]}[command]
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        named = compose(command, [*needed, "name=my_run"], return_hydra_config=True)
        plainly = compose(command, needed, return_hydra_config=True)
    monkeypatch.setattr(HydraConfig.instance(), "cfg", plainly)  # of its choices a name is made
    assert named.hydra.run.dir == "runs/my_run"
    assert named.hydra.sweep.dir == "runs/sweeps/my_run"
    assert plainly.hydra.run.dir.startswith("runs/20") and "null" not in plainly.hydra.run.dir


def test_a_name_is_no_part_of_what_is_computed() -> None:
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        found = [compose("train", words) for words in (["name=my_run"], [])]
    for cfg in found:
        cfg.paths.run = "run"
        check(plain(cfg))
    assert identity(plain(found[0]), {}) == identity(plain(found[1]), {})
