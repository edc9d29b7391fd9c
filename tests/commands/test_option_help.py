"""``--help`` says what each choice of each group does, in the words of its file."""

from pathlib import Path

import pytest

from interestingness.cli import COMMANDS, conf_folder, main
from interestingness.commands.option_help import first_sentence, help_text

CONF = conf_folder()
CHOICES = [file for file in sorted(CONF.rglob("*.yaml")) if file.parent != CONF]


@pytest.mark.parametrize("file", CHOICES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_choice_says_what_it_does(file: Path) -> None:
    assert len(first_sentence(file)) > 10


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# One.\n_target_: x", "One"),
        ("# One 0.5 long\n# sentence. Another.\nx: 1", "One 0.5 long sentence"),
        ("# @package _global_\n# It does; and more.\n", "It does"),
        ("x: 1 # one", ""),
        ("", ""),
    ],
)
def test_the_first_sentence_of_a_file(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert first_sentence(tmp_path / "a.yaml") == sentence


@pytest.mark.parametrize("name", [name for name, c in COMMANDS.items() if c.config])
def test_help_has_the_groups_and_values_of_its_command(name: str, capsys) -> None:
    words = ["evaluate", "study=audit"] if "study" in name else name.split()
    main([*words, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: interestingness {name.split()[0]}")
    assert "dataset=" in lines and any(line.startswith("  question=") for line in lines)
    assert ("label_source=" in lines) == (name == "train")
    assert ("study=" in lines) == ("study" in name)


def test_defaults_are_marked_and_choices_described() -> None:
    lines = help_text("train", "train", [CONF]).splitlines()
    marked = [line.split()[1] for line in lines if line.startswith("* ") and line.count("  ")]
    assert {"synthetic", "human", "optimum", "auto", "csv"} <= set(marked)
    (folder,) = [line for line in lines if line.split()[:1] == ["folder"]]
    assert first_sentence(CONF / "dataset" / "folder.yaml") in folder


def test_the_choices_of_a_plugin_are_listed(tmp_path: Path) -> None:
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("# A loss of our own.\n")
    assert "  mine           A loss of our own" in help_text("train", "train", [CONF, tmp_path])
