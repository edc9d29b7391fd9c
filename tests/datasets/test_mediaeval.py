"""The reader of MediaEval's image subtask, on synthetic files in its layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from interestingness.data.images import read_image
from interestingness.data.splits import by_group
from interestingness.datasets.mediaeval import prepare_mediaeval
from interestingness.datasets.prepared import prepare_prepared
from interestingness.errors import ConfigError, DataError
from interestingness.labels.scores import ScoreSource
from interestingness.tables.tables import Tables


@pytest.fixture
def folder(raw: Callable[[str], ModuleType], tmp_path: Path) -> Path:
    made: Path = raw("mediaeval").write(tmp_path)
    return made


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Tables]:
    options = {"pairs_per_image": 3, "seed": 0}
    return lambda folder, **given: prepare_mediaeval(
        tmp_path / "cache", folder=folder, **options | given
    )


def test_tables(folder: Path, prepare: Callable[..., Tables]) -> None:
    tables = prepare(folder)
    prepare_prepared(tables.root)
    assert len(tables.image_ids) == 40 and tables.score_names() == [
        "interesting",
        "interestingness",
    ]
    level = ScoreSource(tables, name="i", column="interestingness").image_scores()
    shade = [np.asarray(read_image(tables.image_path(row))).mean() / 255 for row in range(40)]
    assert np.corrcoef(level, shade)[0, 1] > 0.99  # each score lies at its own picture
    assert tables.manifest.facts["devset"] == 24 and tables.manifest.facts["videos"] == 5
    assert tables.manifest.facts["share_interesting"] == 5 / 40
    assert prepare(folder).root == tables.root


def test_pairs_stay_within_videos_and_videos_within_sides(
    folder: Path, prepare: Callable[..., Tables]
) -> None:
    tables = prepare(folder)
    ids = tables.pairs.image_ids
    for left, right in zip(tables.pairs.left, tables.pairs.right, strict=True):
        assert ids[left].split("/")[0] == ids[right].split("/")[0]
    assert len(tables.pairs) == 5 * 8 * 3 // 2
    split = by_group(
        tables.pairs, tables.images, column="video", train=0.6, validation=0.0, test=0.4, seed=0
    )
    assert sum(len(side) for side in split.parts().values()) and split.test.sum() > 0
    assert (split.train | split.validation | split.test).all()  # no pair straddles
    assert len(prepare(folder, pairs_per_image=7).pairs) == 5 * 8 * 7 // 2


def test_frames_that_are_not_there(folder: Path, prepare: Callable[..., Tables]) -> None:
    gone = sorted(folder.glob("devset/videos/video_0/images/*"))
    for path in gone[1:]:
        path.unlink()
    tables = prepare(folder)
    facts = tables.manifest.facts
    assert facts["images_without_file"] == 7 and facts["videos_without_pair"] == 1
    assert tables.images["path"].null_count == 7
    for path in folder.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(DataError, match="none of the 40 annotated frames"):
        prepare(folder)


@pytest.mark.parametrize(
    "line, said",
    [
        ("video_0,a.jpg,2,0.5", "line 1: 'video_0,a.jpg,2,0.5'"),
        ("video_0,a.jpg,1,nan", "line 1"),
        ("video_0,a.jpg,1", "line 1"),
        ("../video_0,a.jpg,1,0.5", "line 1"),
        ("video_0,..,1,0.5", "line 1"),
        ("", "devset-image.txt"),
        ("video_3,0-5.jpg,0,0.5", "annotated twice"),
    ],
)
def test_bad_rows(line: str, said: str, folder: Path, prepare: Callable[..., Tables]) -> None:
    (folder / "devset" / "annotations" / "devset-image.txt").write_text(f"{line}\n")
    with pytest.raises(DataError) as error:
        prepare(folder)
    assert said in str(error.value) and error.value.expected and error.value.todo


def test_another_folder(folder: Path, prepare: Callable[..., Tables]) -> None:
    with pytest.raises(DataError, match="no annotations of images"):
        prepare(folder.parent)
    with pytest.raises(ConfigError):
        prepare(folder, pairs_per_image=0)
