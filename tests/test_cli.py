import contextlib
from importlib import import_module
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from interestingness import cli
from interestingness.cli import COMMANDS, of_study, own_error, quoted, usage, with_commas
from interestingness.commands.options import DECLARED, parse, parser_of
from interestingness.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("dataset.images=~/photos", "~/photos"),
        ("dataset.images=/tmp/Mes été (2)", "/tmp/Mes été (2)"),
        ("dataset.votes=it's.csv", "it's.csv"),
        ("ckpt=runs/a=b", "runs/a=b"),
        ("+x=C:\\photos", "C:\\photos"),
    ],
)
def test_values_that_hydra_cannot_read_are_quoted(argument: str, value: str) -> None:
    override = OverridesParser.create().parse_override(quoted(argument))
    assert override.value() == value


def test_words_for_choices_are_open() -> None:
    for word in ("A", "1", "f"):
        override = OverridesParser.create().parse_override(quoted(f"dataset.choices.{word}=left"))
        assert override.is_force_add() and override.key_or_group == f"dataset.choices.{word}"
    for word in ("-1", "A+"):  # Hydra has no such keys, but for dictionaries
        override = OverridesParser.create().parse_override(quoted(f"dataset.choices.{word}=left"))
        assert override.is_force_add() and override.key_or_group == "dataset.choices"
        assert {str(key): side for key, side in override.value().items()} == {word: "left"}


def test_a_comma_in_a_value(tmp_path: Path) -> None:
    """A path that exists is one value; what is none is an error of ours; lists and sweeps stay."""
    (tmp_path / "my,it's").mkdir()
    path = tmp_path / "my,it's"
    words = with_commas([f"dataset.images={path}", "seed=1"])
    assert OverridesParser.create().parse_override(quoted(words[0])).value() == str(path)
    assert words[1] == "seed=1"
    same = ["trust=[a,b]", "x={a:1,b:2}", "dataset.votes='a,b.csv'", "seed=range(1,3)", "-x"]
    for word in same[:3] + same[4:]:
        assert with_commas([word]) == [word]
    for more in (["-m"], ["--multirun"], ["sweep=splits50"]):
        assert with_commas(["seed=1,2", *more]) == ["seed=1,2", *more]
    for word in ("dataset.votes=a,b.csv", "seed=1,2", "name=x,y", "dataset.question=a,b"):
        with pytest.raises(ConfigError) as error:
            with_commas([word])
        assert word in error.value.found
        advised = error.value.todo.partition("twice, ")[2].partition(";")[0].replace("'", "")
        value = OverridesParser.create().parse_override(advised).value()
        assert value == word.partition("=")[2]


@pytest.mark.parametrize(
    "argument",
    ["seed=1", "split.seed=range(3)", "label_source=human,gpt4o", "trust=[a,b]", "-m", "~logger"],
)
def test_what_hydra_reads_is_left_alone(argument: str) -> None:
    assert quoted(argument) == argument


@pytest.mark.parametrize(
    ("options", "study"),
    [
        (["study=audit"], True),
        (["-m", "study=audit,judges", "ckpt=x"], True),
        (["experiment=lafin_table1", "study.splits=1"], True),
        (["ckpt=runs/x", "experiment=lafin_table1"], False),
        (["ckpt=runs/x"], False),
        (["study.splits=1"], False),
        ([], False),
    ],
)
def test_which_command_evaluate_is(options: list[str], study: bool) -> None:
    assert of_study(options) == study


def test_finds_our_error_behind_a_wrapper() -> None:
    ours = DataError("found")
    wrapped = RuntimeError("wrapper")
    wrapped.__cause__ = ours
    assert own_error(wrapped) is ours
    assert own_error(RuntimeError("none")) is None


def test_every_command_exists_and_has_its_options_in_one_place() -> None:
    conf = cli.conf_folder()
    for name, command in COMMANDS.items():
        module, function = command.run.split(":")
        assert callable(getattr(import_module(f"interestingness.{module}"), function)), name
        assert name in usage() if command.help else name not in usage()
        if command.config:
            assert (conf / f"{command.config}.yaml").is_file() and name not in DECLARED
        else:
            assert name in DECLARED
    composed = {command.config for command in COMMANDS.values() if command.config}
    assert composed == {path.stem for path in conf.glob("*.yaml")}
    assert set(DECLARED) <= set(COMMANDS)


@pytest.mark.parametrize(
    ("command", "dashes", "equals"),
    [
        ("audit", ["v.csv", "--out", "f"], ["v.csv", "out=f"]),
        ("rank", ["p", "--shown", "3", "--write-xmp"], ["p", "shown=3", "write-xmp=true"]),
        ("rank", ["p"], ["p", "write-xmp=false"]),
        ("collect-flickr", ["--from", "a", "--to", "b"], ["from=a", "to=b"]),
    ],
)
def test_options_with_dashes_and_with_equals_signs(
    command: str, dashes: list[str], equals: list[str]
) -> None:
    assert parse(command, dashes) == parse(command, equals)


def test_a_file_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    file = tmp_path / "out=f"
    file.touch()
    with contextlib.chdir(tmp_path):
        assert parse("audit", ["out=f"]).votes == ["out=f"]
    assert parse("audit", ["a=b.csv"]).votes == ["a=b.csv"]


@pytest.mark.parametrize("command", DECLARED)
def test_words_that_a_command_does_not_understand(command: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(command, ["--nonsense"])
    assert refused.value.exit_code == 2 and "--help" in refused.value.expected
    assert parser_of(command).format_help().startswith(f"usage: interestingness {command}")


@pytest.mark.parametrize(
    ("words", "status", "stream"),
    [
        ([], 2, "err"),
        (["nonsense"], 2, "err"),
        (["pairs"], 2, "err"),
        (["shards", "nonsense"], 2, "err"),
        (["--help"], 0, "out"),
        (["shards", "--help"], 0, "out"),
    ],
)
def test_the_list_of_commands(
    words: list[str], status: int, stream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if status:
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == status
    else:
        cli.main(words)
    shown = getattr(capsys.readouterr(), stream)
    assert "usage: interestingness" in shown
    assert ("no command 'nonsense'" in shown) == (words == ["nonsense"])
    assert ("rank" in shown) == (words[:1] not in (["pairs"], ["shards"]))


@pytest.mark.parametrize("flag", ["--epochs", "--seed=3", "-e"])
def test_a_flag_that_hydra_lacks_is_one_error(flag: str) -> None:
    with pytest.raises(ConfigError) as raised:
        cli._check_words(["seed=1", flag])
    assert raised.value.found.startswith(flag)
    assert f"{flag.strip('-').partition('=')[0]}=" in raised.value.todo
    cli._check_words(["-m", "--cfg", "job", "--config-dir=x", "seed=1"])
