"""``interestingness audit`` as one types it: files in, a folder out, nothing heavy imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from interestingness import cli

VOTES = """left,right,choice,rater,first
a,b,left,ann,left
a,b,left,bob,right
a,b,right,cy,left
b,c,left,ann,left
b,c,right,bob,left
c,d,tie,ann,right
"""


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(VOTES)
    return path


def test_a_folder_of_tables_and_a_page(
    votes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    cli.main(["audit", str(votes), "--out", str(out)])
    for name in ("judges", "position", "consensus", "agreement", "raters", "ranking"):
        for suffix in ("csv", "parquet", "md"):
            assert (out / f"{name}.{suffix}").is_file(), name
    ranking = pq.read_table(out / "ranking.parquet").to_pylist()
    assert ranking[0]["image"] == "a" and len(ranking) == 4
    assert ranking[0]["utility_low"] < ranking[0]["utility"] < ranking[0]["utility_high"]
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith("page.html")
    assert "people" in printed and "6 usable of 6" in printed


def test_the_page_is_below_runs_unless_said(
    votes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli.main(["audit", str(votes)])
    (page,) = tmp_path.glob("runs/*_audit/page.html")
    assert "Audit of votes" in page.read_text()


def test_equal_rows_all_count_and_copies_of_a_vote_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("left,right,choice,rater\n" + "a,b,left,r1\n" * 10)
    cli.main(["audit", str(path), "--out", str(tmp_path / "out")])
    assert "10 usable of 10" in capsys.readouterr().out
    page = (tmp_path / "out" / "page.html").read_text()
    assert "9 rows say what another row says" in page
    path.write_text("left,right,choice,rater,vote_id\n" + "a,b,left,r1,7\n" * 10)
    cli.main(["audit", str(path), "--out", str(tmp_path / "again")])
    assert "1 usable of 1" in capsys.readouterr().out
    assert "9 rows repeat a vote" in (tmp_path / "again" / "page.html").read_text()


def test_spellings_of_several_files_are_one_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for rater, start in (("ann", "C:\\Users\\ann\\s\\"), ("bob", "/Users/bob/s/"), ("cy", "./")):
        rows = "".join(f"{start}{k}.jpg,{start}{k + 1}.jpg,left\n" for k in range(4))
        (tmp_path / f"{rater}.csv").write_text("left,right,choice\n" + rows)
    files = [str(tmp_path / f"{rater}.csv") for rater in ("ann", "bob", "cy")]
    cli.main(["audit", *files, "--out", str(tmp_path / "out")])
    assert "4 of 5 images" in capsys.readouterr().out
    (row,) = pq.read_table(tmp_path / "out" / "judges.parquet").to_pylist()
    assert row["alpha"] == 1 and row["raters"] == 3
    assert "C:/Users/ann/s/" in (tmp_path / "out" / "page.html").read_text()


def test_errors_are_a_few_lines_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("left,right\na,b\n")
    with pytest.raises(SystemExit) as caught:
        cli.main(["audit", str(bad), "--out", str(tmp_path / "out")])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "no column 'choice'" in told
    assert "rename the column" in told and "dataset.columns" not in told
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(
    votes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["audit", str(votes), "--out", str(votes)])
    assert caught.value.code == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_no_torch_and_no_hydra_are_imported(votes: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from interestingness import cli; "
        f"cli.main(['audit', {str(votes)!r}, '--out', {str(tmp_path / 'o')!r}]); "
        "print([m for m in ('torch', 'hydra', 'lightning') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.rstrip().endswith("[]")


OTHER = """Image A,Image B,Best,Who,time,practice
a,b,Left one,ann,1523.5,no
b,c,Right one,bob,844.1,no
c,d,Left one,bob,911,no
b,a,Right one,cy,700,yes
b,,Left one,cy,700,no
"""


@pytest.mark.parametrize("prefix", ["", "dataset.", "--"])
def test_columns_and_choices_as_training_takes_them(
    prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "v.csv"
    path.write_text(OTHER)
    words = [
        "columns.choice=Best",
        "columns.rater=Who",
        "columns.time=null",
        "choices.leftone=left",
    ]
    words += ["choices.RightOne=right"]
    dashes = [f"--{word.replace('.', '=', 1)}" for word in words]
    typed = dashes if prefix == "--" else [prefix + word for word in words]
    out = ["--out", str(tmp_path / "out"), "on_missing=skip"]
    cli.main(["audit", str(path), *typed, *out])
    raters = pq.read_table(tmp_path / "out" / "raters.parquet")["rater"].to_pylist()
    assert set(raters) == {"ann", "bob"}
    printed = capsys.readouterr().out
    assert "3 usable of 3" in printed
    for said in ("'Image A'", "1 practice", "1 with one image only"):
        assert f"{said}" in printed
    assert printed.count("not used") == 1 and "columns not used: time." in printed


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("foo=1", ""),
        ("colums.rater=who", "--columns"),
        ("questoin=x", "--question"),
        ("out.x=1", ""),
    ],
)
def test_a_misspelt_option_is_named(
    word: str, near: str, votes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["audit", str(votes), word])
    said = capsys.readouterr().err
    assert error.value.code == 2 and word in said and near in said and "--on-missing" in said


def test_a_file_with_an_equals_sign_is_a_file(
    votes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    votes.rename("round=1.csv")
    cli.main(["audit", "round=1.csv", "out=o"])
    assert Path("o/page.html").is_file()
