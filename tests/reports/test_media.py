"""W&B gets a study whole: tables, figures, pictures, page and answer, offline and marked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

RUN = """
import importlib.util, sys
from pathlib import Path
from PIL import Image
from lightning.pytorch.loggers import CSVLogger
from interestingness.learning.wandb_logging import RunLogger
from interestingness.reports.media import log_report
from interestingness.reports.page import write_report
from interestingness.studies.result import (
    Bars, Column, Gallery, Shown, ShownPair, StudyResult, Table,
)

run = Path(sys.argv[1])
result = StudyResult(
    "toy", "Toy", "Two of three agree.", [],
    [Table("sources", "Sources", [Column("a", "a"), Column("b", "b", "percent")],
           [{"a": "human", "b": 0.5}, {"a": "gpt4o", "b": None}])],
    [Bars("scores", "Scores", "", ["low", "high", "top"], [1, 2, 3])],
    [Gallery("Highest: 1/2", images=[Shown("a.jpg", "+1"), Shown("gone.jpg")]),
     Gallery("Disagree", pairs=[
         ShownPair(Shown("a.jpg"), Shown("b.jpg"), "people left", (("GPT-4o", "vivid\\u202e"),)),
         ShownPair(Shown("a.jpg"), Shown("gone.jpg"))])],
    simulated="SIMULATION: planted",
)
picture = lambda name: None if name == "gone.jpg" else Image.new("RGB", (64, 48))
page = write_report(run, result, picture=picture, settings={})
loggers = [
    RunLogger(
        save_dir=str(run), project="p", name="toy synthetic seed 0", pictures=sys.argv[2] == "yes"
    ),
    CSVLogger(save_dir=str(run), name="", version="log"),
]
log_report(loggers, result, page=page, picture=picture, settings={"seed": 0})
"""


def logged(run: Path, home: Path, pictures: str) -> Path:
    """The folder of an offline W&B run."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    environment |= {"WANDB_MODE": "offline", "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(run), pictures],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (run / "wandb").glob("offline-run-*")
    return folder


def test_without_pictures_the_rest_is_sent(tmp_path: Path) -> None:
    run = tmp_path / "run"
    folder = logged(run, tmp_path / "home", "no")
    media = folder / "files" / "media"
    assert not list(media.rglob("*.png"))
    pages = {p.name.split("_")[0]: p.read_text("utf-8") for p in media.rglob("*.html")}
    assert set(pages) == {"page", "scores"} and "Two of three agree." in pages["page"]
    assert "data:image" not in pages["page"]
    assert "data:image" in (run / "page.html").read_text("utf-8")  # on disk they stay
    assert list(media.rglob("sources_*.table.json"))


def test_a_study_is_whole_on_disk(tmp_path: Path) -> None:
    run = tmp_path / "run"
    folder = logged(run, tmp_path / "home", "yes")
    media = folder / "files" / "media"
    (table,) = media.rglob("sources_*.table.json")
    assert json.loads(table.read_text()) == {
        "columns": ["a", "b"],
        "data": [["human", 0.5], ["gpt4o", None]],
    }
    pages = {p.name.split("_")[0]: p.read_text("utf-8") for p in media.rglob("*.html")}
    assert set(pages) == {"page", "scores"}
    assert "Two of three agree." in pages["page"] and "<svg" in pages["scores"]
    pictures = sorted(str(p.parent.relative_to(media)) for p in media.rglob("*.png"))
    assert pictures == ["images/pairs", "images/pictures"]
    record = next(folder.glob("*.wandb")).read_bytes()
    for expected in (b"SIMULATION: planted", b"Two of three agree.", b"people left", b"vivid"):
        assert expected in record
    assert not (run / "log").exists()  # the CSV of training curves has nothing to show
