"""``interestingness annotate`` from options to tables, with the simulated judge in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from material import data_set
from omegaconf import open_dict

from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.preflight import PreflightError
from interestingness.assembly.prepare import prepare
from interestingness.cli import conf_folder
from interestingness.commands import annotation_job, ledger
from interestingness.commands.annotate import annotate
from interestingness.commands.options import parse
from interestingness.data.images import read_image
from interestingness.errors import ConfigError, DataError, LabelError
from interestingness.labels.votes import VoteSource
from interestingness.stats.attributes.colour import colourfulness
from interestingness.studies.texts import descriptions
from interestingness.tables.tables import Tables, write_table

Run = Callable[..., dict[str, Any]]
LEDGER = Path("annotations/toy/simulated.sqlite")


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """Eight photographs in a ring of eight pairs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERESTINGNESS_CACHE", str(tmp_path / "cache"))
    return data_set(tmp_path, 8)


@pytest.fixture
def run(tables: Tables) -> Iterator[Run]:
    """The command with these options."""
    GlobalHydra.instance().clear()

    def go(*overrides: str) -> dict[str, Any]:
        data = ["dataset=prepared", f"dataset.root={tables.root}", "paths.run=run"]
        with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name="annotate"):
            cfg = compose("annotate", [*data, "++annotator.max_side=64", *overrides])
        return annotate(cfg)

    yield go
    GlobalHydra.instance().clear()


def ledger_status(path: Path = LEDGER) -> tuple[int, int]:
    """Rows of votes, and micro-dollars spent."""
    with Ledger.open(path, run={}, cap_uusd=None, read_only=True) as ledger:
        return ledger.table("votes").num_rows, ledger.spent_uusd


def source(tables: Tables, **more: Any) -> VoteSource:
    values: dict[str, Any] = {"name": "judge", "raters": ["simulated-judge*"], "kind": "model"}
    return VoteSource(Tables(tables.root), **{**values, "aggregation": "order_corrected", **more})


def test_a_pilot_the_whole_and_nothing_the_third_time(
    run: Run, tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    assert source(tables).missing() is not None
    pilot = run("pilot=3")
    assert (pilot["labelled"], pilot["todo"]) == (6, 10)
    said = capsys.readouterr().out
    assert "SIMULATION" in said and "6 of them in this pilot" in said
    assert "order term b" in said and "remaining  10 answers" in said
    whole = run()
    assert (whole["labelled"], whole["todo"]) == (16, 0)
    said = capsys.readouterr().out
    assert "6 answers are there" in said and "label_source=judge" in said
    table = Path(whole["table"]).read_bytes()
    assert run()["labelled"] == 16
    assert "nothing to ask" in capsys.readouterr().out
    assert Path(whole["table"]).read_bytes() == table


def test_the_votes_are_found_by_the_label_source_and_say_that_they_are_simulated(
    run: Run, tables: Tables
) -> None:
    run("annotator.simulated.noise=0.0", "annotator.simulated.sharpness=3.0")
    learnt = source(tables)
    assert learnt.missing() is None and "simulated-judge" in learnt.simulated()
    preference = learnt.labels(tables.pairs).preference
    colour = np.array(
        [
            colourfulness(np.asarray(read_image(tables.image_path(row)).resize((32, 32))) / 255)
            for row in range(8)
        ]
    )
    margin = colour[tables.pairs.left] - colour[tables.pairs.right]
    clear = np.abs(margin) > 5
    assert clear.sum() >= 5 and not np.isnan(preference).any()
    assert ((preference > 0.5) == (margin > 0))[clear].all()


def test_a_dry_run_asks_nothing_and_writes_nothing(
    run: Run, tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    price = ["annotator.price.prompt=2.5", "annotator.price.completion=10"]
    found = run("dry_run=true", *price)
    assert found["todo"] == 16 and found["most_uusd"] > 0
    assert "dry run: nothing was sent" in capsys.readouterr().out
    assert not (tmp_path / "annotations").exists() and not tables.has("votes")


@pytest.mark.parametrize(
    "option",
    [
        *("budget=-1", "budget=.nan", "budget=five", "pilot=-1", "pilot=0", "pilot=2.5"),
        *("samples=0", "sentinel=-1", "max_bad_share=-0.1", "orders=left", "mode=fast"),
        *("what=videos", "in_doubt=forget", "comparison=3"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(annotation_job, "open_dataset", lambda *_: pytest.fail("data were read"))
    with pytest.raises(ConfigError) as error:
        run(option)
    assert option.partition("=")[0] in error.value.found


def test_the_question_is_a_parameter_of_prompt_and_table(run: Run, tables: Tables) -> None:
    run("question=safe")
    assert source(tables).missing() is not None
    assert source(tables, question="safe").missing() is None
    assert run()["labelled"] == 16
    assert source(tables).missing() is None
    assert ledger_status()[0] == 32


def test_a_table_of_another_ledger_is_not_replaced_by_fewer_answers(
    run: Run, tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path(run()["table"])
    before = whole.read_bytes()
    for dry in ("true", "false"):
        with pytest.raises(DataError, match=r"holds 16 answers from .*simulated\.sqlite") as error:
            run("ledger=other.sqlite", "pilot=2", f"dry_run={dry}")
        assert "other.sqlite has 0" in str(error.value)
    assert not Path("other.sqlite").exists() and whole.read_bytes() == before
    run("ledger=other.sqlite", "pilot=2", "replace=true")
    assert Tables(tables.root).vote_table.num_rows == 4
    run("ledger=other.sqlite", "pilot=2")
    run("pilot=2")
    assert Tables(tables.root).vote_table.num_rows == 16, "a ledger with more answers takes over"
    LEDGER.rename("moved.sqlite")
    capsys.readouterr()
    run("pilot=2")
    assert "16 rows of an earlier run, kept: now there are 4" in capsys.readouterr().out
    assert whole.read_bytes() == before


def test_personas_vote_under_names_of_their_own(run: Run, tables: Tables) -> None:
    run("personas=paper", "pilot=2")
    table = Tables(tables.root).vote_table
    assert len(set(table["rater_id"].to_pylist())) == len(set(table["persona"].to_pylist())) == 8
    assert table.num_rows == 2 * 2 * 8
    assert source(tables).missing() is not None, "they are not mixed with the model's own"
    run("personas=['a sailor']", "pilot=2", "ledger=other.sqlite", "replace=true")


@pytest.mark.parametrize(
    ("what", "table", "rows"),
    [("images", "judgments", 8), ("descriptions", "texts", 8), ("cupl", "texts", 5)],
)
def test_what_else_can_be_asked(
    run: Run,
    tables: Tables,
    what: str,
    table: str,
    rows: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = run(f"what={what}", *(["samples=5"] if what == "cupl" else []))
    written = pq.read_table(found["table"])
    assert written.num_rows == rows and Path(found["table"]).name.startswith(table)
    read = Tables(tables.root).table(table)
    assert read.num_rows == rows
    answers = read["answer" if table == "judgments" else "text"].to_pylist()
    assert all(answer is not None for answer in answers)
    if what == "cupl":
        assert read["image_id"].null_count == 5
    yes = answers.count(True)
    told = f"{yes} yes, {8 - yes} no" if what == "images" else f"{rows} texts, {len(set(answers))}"
    assert f"answers    {told}" in capsys.readouterr().out


def test_refusals_are_told_and_are_rows_without_a_choice(
    run: Run, tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run("+annotator.simulated.refusals=0.4", "annotator.simulated.seed=3")
    said = capsys.readouterr().out
    table = Tables(tables.root).vote_table
    refused = table["choice"].null_count
    assert table.num_rows == 16 and 0 < refused < 16
    assert found == {**found, "labelled": 16 - refused, "todo": 0}
    assert f"no answer  {refused} refused for good" in said
    assert f"no answer: {refused} refused" in said
    assert "refused in one order only" in said


def test_tasks_that_are_given_up_have_an_exit_status_and_come_back(
    run: Run, tables: Tables
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("+annotator.simulated.invalid=0.4", "annotator.simulated.seed=3")
    assert ended.value.code == 79
    given_up = Tables(tables.root).vote_table["choice"].null_count
    assert 0 < given_up < 16
    assert run()["labelled"] == 16 - given_up
    ledger.reopen(parse("ledger reopen", [str(LEDGER)]))
    assert run()["labelled"] == 16


def test_descriptions_are_found_by_studies_of_texts(run: Run, tables: Tables) -> None:
    with pytest.raises(DataError, match="annotate what=descriptions"):
        descriptions(tables, ["description"])
    run("what=descriptions")
    found = descriptions(Tables(tables.root), ["description"])
    assert len(found) == 8 and all("simulated description" in text for text in found.text)
    assert found.what == "descriptions that a model wrote"


def test_an_edited_prompt_asks_anew_and_keeps_what_is_there(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Path(__file__).parents[2] / "interestingness/annotators/prompts/pair-1.toml"
    own = tmp_path / "mine.toml"
    own.write_text(ours.read_text())
    run(f"prompt={own}")
    own.write_text(ours.read_text() + "# a comment\n")
    assert run(f"prompt={own}", "dry_run=true")["todo"] == 0
    own.write_text(ours.read_text().replace("decide for one of them", "choose one of them"))
    capsys.readouterr()
    assert run(f"prompt={own}", "dry_run=true")["todo"] == 16
    assert ": 0 answers are there" in capsys.readouterr().out
    run(f"prompt={own}")
    assert ledger_status()[0] == 32


def test_a_budget_holds_and_a_larger_one_goes_on(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    price = ["annotator.price.prompt=1000", "annotator.price.completion=1000"]
    price += ["++annotator.tokens_per_image=100"]
    with pytest.raises(ConfigError, match="there is no budget"):
        run(*price)
    assert not LEDGER.exists()
    with pytest.raises(PreflightError, match="before the preflight") as early:
        run(*price, "budget=0.5")
    assert early.value.exit_code == 78 and ledger_status() == (0, 0)
    with pytest.raises(SystemExit) as ended:
        run(*price, "budget=4.0")
    assert ended.value.code == 78
    votes, spent = ledger_status()
    assert 0 < votes < 16 and 0 < spent <= 4_000_000
    said = capsys.readouterr().out
    assert "the budget is reached: $" in said and "of $4.00 are spent" in said
    assert "uusd" not in said and "the same command" not in said
    advised = re.search(r"at least (budget=[\d.]+) goes on", said)
    assert advised is not None
    assert run(*price, advised[1])["labelled"] == 16
    votes, spent = ledger_status()
    assert votes == 16 and spent <= 40_000_000


def test_nothing_starts_without_a_price_a_key_or_a_fit_judge(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="without a price nothing is sent"):
        run("annotator.price=null")
    assert not LEDGER.exists()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="the environment has no OPENAI_API_KEY"):
        run("annotator=gpt4o")
    assert not LEDGER.parent.exists()
    with pytest.raises(PreflightError, match="which of two squares is blue"):
        run("+annotator.simulated.sees=false")
    assert ledger_status()[0] == 0


def test_a_broken_image_is_left_out_and_the_others_go_on(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photos" / "p03.png"
    photo.write_bytes(photo.read_bytes()[:200])
    with pytest.raises(DataError, match="1 of 8 images cannot be sent"):
        run("max_bad_share=0")
    with pytest.raises(DataError, match="1 of 8 images cannot be sent"):
        run("dry_run=true", "max_bad_share=0")
    assert ledger_status()[0] == 0
    found = run()
    assert found["labelled"] == 12
    said = capsys.readouterr().out
    assert "left out: p03.png: " in said
    assert found["todo"] == 0 and "remaining" not in said and "learn from it" in said


def test_missing_votes_name_the_command_and_its_price(tables: Tables) -> None:
    GlobalHydra.instance().clear()
    words = ["dataset=prepared", f"dataset.root={tables.root}", "label_source=gpt4o"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name="train"):
        cfg = compose("train", [*words, "paths.run=run"], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    with pytest.raises(LabelError) as error:
        prepare(cfg)
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None
    said = str(error.value)
    command = f"interestingness annotate dataset=prepared dataset.root={tables.root}"
    assert f"{command} annotator=gpt4o pilot=30" in said
    assert "8 pairs × 2 orders = 16 calls, × $0.0012 a call" in said
    assert "answers that its ledger has cost nothing again" in said


def test_options_that_make_no_sense_are_said(run: Run) -> None:
    for wrong, said in (
        ("prompt=image-1", "of kind image"),
        ("++annotator.parameters.temperature=1", "does not take it"),
    ):
        with pytest.raises(Exception, match=said):
            run(wrong)
    assert not LEDGER.exists()


def test_another_model_under_the_same_name_ends_the_run_before_anything_is_added(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sure = ["annotator.simulated.noise=0", "annotator.simulated.order_term=0"]
    run("pilot=5", *sure, "annotator.simulated.sharpness=50")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    monkeypatch.setattr(annotation_job, "today", lambda: tomorrow)
    with pytest.raises(PreflightError, match="another model seems to answer"):
        run(*sure, "annotator.simulated.sharpness=-50")
    assert ledger_status()[0] == 10
    monkeypatch.setattr(annotation_job, "today", lambda: tomorrow + timedelta(days=1))
    run(*sure, "annotator.simulated.sharpness=50")
    assert "10 of 10 answers of an earlier day are given again" in capsys.readouterr().out
    assert ledger_status()[0] == 16


def test_a_data_set_without_pairs_is_said(run: Run, tables: Tables) -> None:
    none = tables.table("pairs").slice(0, 0)
    write_table("pairs", none, tables.root / "pairs.parquet")
    with pytest.raises(DataError, match="no pairs"):
        run()
    assert run("what=images")["labelled"] == 8
