"""Declare the options of commands that compose no config, as ``--name value``.

Imports are light, so that ``--help`` is fast. ``name=value``, as in other commands, is accepted
as well.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from typing_extensions import override

from interestingness.datasets.download.settings import FORMATS, DownloadSettings
from interestingness.errors import ConfigError

Options = argparse.Namespace
VOTES = (
    "CSV, Parquet or JSON: left,right,choice and, where known, rater,first; or what another tool "
    "exports; or a vote table of ours; or the folder of a prepared data set"
)
_OPTION = re.compile(r"[A-Za-z_][\w-]*(\.[^=/]+)?")


def parse(command: str, words: Sequence[str]) -> Options:
    """Parse the options of a command.

    Args:
        command: as typed: ``rank``, ``pairs choose``.
        words: what is typed after it.

    Raises:
        SystemExit: 0 after ``--help``.
        ConfigError: for words that it does not understand.
    """
    parser = parser_of(command)
    return parser.parse_args([part for word in words for part in _with_dashes(word, parser)])


def parser_of(command: str) -> argparse.ArgumentParser:
    """Build the parser of a command's options."""
    description, declare = DECLARED[command]
    parser = _Parser(prog=f"interestingness {command}", description=description)
    declare(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    """Raises an error of ours, with the nearest option, instead of printing its usage."""

    @override
    def error(self, message: str) -> NoReturn:
        """Translate an error of argparse; it calls this for any.

        Raises:
            ConfigError: always.
        """
        shown = [a for a in self._actions if a.help != argparse.SUPPRESS]
        known = [name for action in shown for name in action.option_strings]
        given = [str(a.metavar or a.dest) for a in shown if not a.option_strings]
        named = message.partition("unrecognized arguments: ")[2].split()
        near = [k for n in named for k in get_close_matches(n.partition("=")[0], known, n=2)]
        raise ConfigError(
            f"{self.prog}: {message}",
            expected=f"{' '.join(given)} {', '.join(known)}".strip(),
            todo=f"did you mean {' or '.join(near)}?" if near else f"see `{self.prog} --help`",
        )


def _with_dashes(word: str, parser: argparse.ArgumentParser) -> list[str]:
    """Rewrite ``out=FILE`` as ``--out FILE`` and ``rebuild=true`` as ``--rebuild``.

    ``columns.rater=subject`` is ``--columns rater=subject``; what other commands call
    ``dataset.columns`` is ``columns`` here. What is neither an option nor a file is taken for a
    misspelt option.
    """
    typed, equals, value = word.partition("=")
    if not equals or not _OPTION.fullmatch(typed) or Path(word).exists():
        return [word]
    name, dot, key = typed.removeprefix("dataset.").partition(".")
    option = f"--{name.replace('_', '-')}"
    action = next((a for a in parser._actions if option in a.option_strings), None)
    if action is None and not dot and re.search(r"\.[a-z]\w*$", value):
        return [word]  # a=b.csv: a file that is not there
    if action is None or bool(dot) != isinstance(action, argparse._AppendAction):
        return [f"--{word}"]
    if action.nargs == 0 and value.lower() in {"true", "false"}:
        return [option] if value.lower() == "true" else []
    return [f"{option}={key}={value}" if dot else f"{option}={value}"]


def keyed(words: Sequence[str]) -> dict[str, str | None]:
    """Return the values of a repeatable option ``KEY=VALUE``; ``null`` is None.

    Raises:
        ConfigError: for a word without ``=``.
    """
    found: dict[str, str | None] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(
                f"{word!r}",
                expected="NAME=VALUE, such as rater=subject",
                todo="say --columns rater=subject, or columns.rater=subject",
            )
        found[key] = None if value.casefold() == "null" else value
    return found


def said_of_votes(given: Options) -> dict[str, Any]:
    """Return what the options of ``_about_votes`` say, for ``read_vote_files``."""
    return {
        "question": given.question,
        "columns": keyed(given.columns),
        "choices": keyed(given.choices),
        "on_missing": given.on_missing,
    }


def _about_votes(parser: argparse.ArgumentParser) -> None:
    """Declare what ``dataset=folder`` says of tables of votes."""
    add = parser.add_argument
    add("--question", help="which question, where the votes are on several")
    add(
        "--columns",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="what the files call a column, as columns.rater=subject; columns.time=null says that "
        "there is none; repeatable",
    )
    add(
        "--choices",
        action="append",
        default=[],
        metavar="WORD=SIDE",
        help="what a word in the column of choices means: left, right, tie, both_bad, first, "
        "second or skip, as choices.A=left; repeatable",
    )
    add(
        "--on-missing",
        choices=("error", "skip"),
        default="error",
        help="rows with one image only, or with one image twice (%(default)s)",
    )


def _audit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("votes", nargs="+", help=VOTES)
    add("--out", help="folder of tables and page; runs/<time>_audit unless given")
    _about_votes(parser)


def _pairs_choose(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("votes", nargs="*", help=f"{VOTES}; none at first")
    add("--images", help="folder or glob pattern; else the images voted on")
    add("--groups", help="table with a column of image names, and the column of --within")
    add("--within", help="column of groups: pairs of images of one group only")
    add("-n", type=int, default=200, help="how many pairs (default: %(default)s)")
    add("--out", default="next_pairs.csv", help="table (default: %(default)s)")
    add(
        "--random-share",
        type=float,
        default=0.3,
        help="at least this share at random: only random pairs are fit for testing (%(default)s)",
    )
    add("--repeat", action="store_true", help="pairs may be asked again")
    _about_votes(parser)
    add("--seed", type=int, default=0, help="of all random choices (%(default)s)")


def _collect(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("photos", nargs="+", help="folders, glob patterns, files, tar files of photographs")
    add("--store", default="votes.sqlite", help="file of all answers (default: %(default)s)")
    add("--out", help="table that is written at the end; the store's name with .csv unless given")
    add("--question", help="what raters are asked (default: interesting)")
    add("--raters", help="who may vote, as ann,bob; anybody unless given")
    _web(parser)
    add("--pairs", help="table with the columns left and right: these pairs, in random order")
    add(
        "--choose",
        choices=("random", "active"),
        default="random",
        help="active: pairs about which the votes so far say least, 30 %% at random (%(default)s)",
    )
    add("--single", type=int, choices=(5, 7), help="rate single images on 5 or 7 points")
    add("--guess-for", metavar="NAME", help="ask what this person would choose")
    add("--allow-bursts", action="store_true", help="frames of one burst may be a pair, too")
    add("--copies", action="store_true", help="take images in folders that machines fill, too")
    add("--seed", type=int, help="of all random choices (default: another one each time)")
    add(
        "--cache",
        default=os.environ.get("INTERESTINGNESS_CACHE", "~/.cache/interestingness"),
        help="folder for pictures in screen size",
    )


def _explain(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scorer", help="a run folder, a .ckpt file, or a published head's name")
    add(
        "photos",
        nargs="*",
        help="photographs, folders or glob patterns, 48 at most; none: the run's test images of "
        "highest and lowest score",
    )
    add("--out", help="folder of pictures and page: `explained`, in the run if no photo is named")
    add("--among", help="folder of images to compare with; the run's training images unless given")
    add("--words", help="text file of concepts, one a line; a list comes with the package")
    add("--occlusion", action="store_true", help="cover patches also where an exact map exists")
    _published(parser)
    add(
        "--cache",
        default=os.environ.get("INTERESTINGNESS_CACHE", "~/.cache/interestingness"),
        help="folder for features",
    )


def _serve(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--scorer", required=True, help="a run folder, a .ckpt file, or a published head's name")
    _published(parser)
    _web(parser)
    add("--allow-urls", action="store_true", help="images may be named by URL; never private ones")
    add("--queue", type=int, default=256, help="images that may wait; more get 429 (%(default)s)")
    add(
        "--max-pixels",
        type=int,
        default=100_000_000,
        help="larger images are refused with 413, undecoded (%(default)s)",
    )


def _web(parser: argparse.ArgumentParser) -> None:
    """Declare where a server listens, as ``commands.web`` reads it."""
    add = parser.add_argument
    add("--port", type=int, default=8000, help="0 takes a free one (%(default)s)")
    add("--host", default="127.0.0.1", help="address to serve; others need a token (%(default)s)")
    add("--token", help="that visitors need; a list of processes shows it")
    add("--token-file", help="file with the token; else one is made where it is needed")
    add("--tls-cert", help="certificate (PEM), for https")
    add("--tls-key", help="its key (PEM)")


def _rank(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "photos",
        nargs="*",
        help="folders, glob patterns, files; tar files of img2dataset, pair shards; - for a list "
        "on standard input",
    )
    add(
        "--list",
        action="append",
        default=[],
        metavar="FILE",
        dest="lists",
        help="text file with a path or an address (https://…) a line, or `find -print0`'s output; "
        "- for standard input; repeatable",
    )
    add("--downloads", help="folder for what addresses lead to (downloads, in the cache folder)")
    add(
        "--scorer",
        default="relative_interestingness",
        help="a run folder, a .ckpt file, or the name of a published head (default: %(default)s)",
    )
    add(
        "--out",
        default="scores.parquet",
        help="table, .parquet, .csv or .jsonl (default: %(default)s)",
    )
    add("--sheet", default="contact_sheet", help="folder of the contact sheet (%(default)s)")
    add("--reference", help="what to compare with: a saved name, or a table of an earlier --out")
    add("--save-reference", metavar="NAME", help="keep these scores for a later --reference NAME")
    add(
        "--write-xmp",
        action="store_true",
        help="one to five stars as sidecars (photo.jpg.xmp): the highest tenth five, the next 22.5 "
        "%% four, the middle 35 %% three, 22.5 %% two, the lowest tenth one; of these images, or "
        "of the reference where one is named",
    )
    add(
        "--xmp-style",
        choices=("beside", "adobe"),
        default="beside",
        help="beside: photo.jpg.xmp, which darktable and digiKam read; adobe: photo.xmp, beside "
        "raw files only, as Lightroom reads it (%(default)s)",
    )
    _culling(parser)
    _published(parser)
    add(
        "--part",
        metavar="I/N",
        default="0/1",
        help="score every Nth image from the Ith on (counted from 0), for arrays of jobs; writes "
        "scores.part-I-of-N.parquet and no sheet. Without it afterwards, all is put together",
    )
    add(
        "--copies",
        action="store_true",
        help="take images in folders that machines fill, too: thumbnails, previews, recycle bins",
    )
    add(
        "--max-pixels",
        type=int,
        default=100_000_000,
        help="larger images are unreadable; a JPEG is decoded reduced, and counts so (%(default)s)",
    )
    add("--shown", type=int, default=48, help="pictures in a gallery (%(default)s)")
    add(
        "--near-duplicates",
        type=float,
        default=0.97,
        help="cosine of features from which images nearly equal; 1 looks for none (%(default)s)",
    )
    add("--window", type=int, default=5000, help="images before it that one is compared with")
    add(
        "--cache",
        default=os.environ.get("INTERESTINGNESS_CACHE", "~/.cache/interestingness"),
        help="folder for features",
    )


def _culling(parser: argparse.ArgumentParser) -> None:
    """Declare what ``rank`` keeps; your own stars and decisions always win."""
    add = parser.add_argument
    add("--keep", type=positive, metavar="N", help="the best N of each series, the rest rejected")
    add(
        "--series-gap",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="images of one series are at most so far apart in time, where both tell it "
        "(%(default)s)",
    )
    add(
        "--series-alike",
        type=float,
        default=0.9,
        metavar="COSINE",
        help="cosine from which images close in time are one series; where one tells no time, "
        "--near-duplicates decides (%(default)s)",
    )
    add("--top", type=positive, metavar="N", help="the best N of all")
    add("--min-score", type=float, help="reject lower scores")
    add("--max-score", type=float, help="reject higher scores")
    add(
        "--overrides",
        metavar="FILE",
        help="CSV with the columns image and decision: keep, reject, or stars from -1 to 5",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--copy-to", metavar="FOLDER", help="copy what is kept, with raw files")
    where.add_argument("--link-to", metavar="FOLDER", help="the same as symbolic links")
    add("--loopback-for-tests", action="store_true", help=argparse.SUPPRESS)


def positive(text: str) -> int:
    """Read a number of at least 1.

    Raises:
        argparse.ArgumentTypeError: for anything else.
    """
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("scorer", help="a run folder, a .ckpt file, or a published head's name")
    add(
        "--format",
        choices=("folder", "onnx", "iccv"),
        default="folder",
        help="folder: safetensors, JSON and a model card, ready for a model hub; onnx: pixels in, "
        "score out; iccv: the head that the notebook of the ICCV paper loads (%(default)s)",
    )
    add("--out", help="folder or file to write (default: named after the scorer)")
    _published(parser)


def _published(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--head", help="file of the published head, where there is no network")
    parser.add_argument("--weights", help="file of the backbone's weights, where there is no hub")


def _shards_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="what `interestingness shards write out=FOLDER` made")


def _ledger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ledger", help="the file, annotations/<data set>/<annotator>.sqlite")


def _ledger_export(parser: argparse.ArgumentParser) -> None:
    _ledger(parser)
    add = parser.add_argument
    add(
        "--out",
        required=True,
        help="file to write: .parquet or .csv for a table, .sqlite for a copy of the ledger",
    )
    add(
        "--table",
        choices=("votes", "judgments", "texts"),
        default="votes",
        help="which answers, with their provenance (%(default)s)",
    )


def _ledger_verify(parser: argparse.ArgumentParser) -> None:
    _ledger(parser)
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="parse the stored answers again with the present parser, at no cost",
    )


def _download(parser: argparse.ArgumentParser) -> None:
    add, usual = parser.add_argument, DownloadSettings()
    add("table", help="CSV or Parquet")
    add("url_column", help="its column of addresses")
    add("--out", default="images", help="folder for the images (%(default)s)")
    add("--id", help="column that names the images (image_id, …, else the URL)")
    add("--license", help="column of licences, for the report")
    add("--sha256", help="column of hashes that the files must have")
    add("--have", action="append", default=[], help="folder that may hold files; repeatable")
    add(
        "--placeholder",
        action="append",
        default=[],
        help="what is no photograph: an MD5 or SHA-256, '2900 bytes', an example file, or a part "
        "of an address that redirects lead to; repeatable",
    )
    add("--again", action="store_true", help="also try what was lost for good")
    add("--verify", action="store_true", help="hash files of earlier runs, fetch changed ones anew")
    add("--connections", type=int, default=usual.connections)
    add("--per-host", type=int, default=usual.per_host)
    add("--pause", type=float, default=usual.pause_s, help="seconds between requests (each place)")
    add("--attempts", type=int, default=usual.attempts)
    add("--backoff", type=float, default=usual.backoff_s, help="seconds, doubled")
    add("--timeout", type=float, default=usual.timeout_s, help="seconds")
    add("--max-mb", type=float, default=usual.max_bytes / 1e6)
    add("--max-pixels", type=int, default=usual.max_pixels)
    add("--formats", nargs="+", default=list(FORMATS), help="by content")
    add("--user-agent", default=usual.user_agent, help="who you are; be findable")
    add("--loopback-for-tests", action="store_true", help=argparse.SUPPRESS)


def _collect_flickr(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--from", dest="first", required=True, help="first day, as 2024-05-01")
    add("--to", dest="last", required=True, help="last day")
    add("--out", default="flickr", help="folder (%(default)s)")
    add("--per-day", type=int, default=500, help="interesting photos (%(default)s)")
    add("--seed", type=int, default=0)
    add("--per-hour", type=float, default=3600, help="most queries (%(default)s)")
    add("--endpoint-for-tests", help=argparse.SUPPRESS)


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--need",
        action="append",
        default=[],
        metavar="NAME",
        help="exit with status 1 unless this works: gpu, hub, weights, an extra such as heic, a "
        "key such as OPENAI_API_KEY, or another name of the report; repeatable, or with commas",
    )


DECLARED: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "audit": (
        "What votes are worth: consensus, consistency of raters, position bias, agreement, and a "
        "ranking of the images with intervals.",
        _audit,
    ),
    "pairs choose": (
        "Choose the pairs to ask about next: some at random, the others where the votes so far "
        "leave most open. The table goes into dataset.pairs=… or a labelling tool.",
        _pairs_choose,
    ),
    "collect": (
        "A page on this machine on which people vote on pairs of photographs, or rate single ones. "
        "Every answer is on disk before the page says that it is saved.",
        _collect,
    ),
    "rank": ("Score photographs: a table of scores, and a contact sheet to look at.", _rank),
    "doctor": (
        "What works on this machine, each with what mends it: versions, GPU, hub, clock, disk, "
        "caches, weights, extras, keys (whether they are set; they are never shown).",
        _doctor,
    ),
    "explain": (
        "Which patches of a photograph raise or lower its score, which training images are alike, "
        "and which concepts the score follows: pictures and a page.",
        _explain,
    ),
    "serve": (
        "Score, compare and embed images over HTTP: POST /score, /compare, /embed; /docs shows the "
        "interface.",
        _serve,
    ),
    "export": ("Write a scorer in a format that others read.", _export),
    "shards verify": ("Check a folder of pair shards.", _shards_verify),
    "ledger status": ("Tasks, attempts and money; works while a run is under way.", _ledger),
    "ledger export": ("Write answers with their provenance, or a copy.", _ledger_export),
    "ledger verify": (
        "SQLite's integrity check, sums, and labels against the stored answers; exit status 1 if "
        "anything is wrong.",
        _ledger_verify,
    ),
    "ledger reopen": (
        "Let the next `annotate` ask the tasks that were given up after unusable answers; what "
        "these cost stays spent.",
        _ledger,
    ),
    "ledger recover": ("Says what to do with a damaged ledger.", _ledger),
    "download": (
        "Images by URL: politely, resumably, every loss counted. Give the same command again to "
        "go on, or to try again what may only have been out of reach.",
        _download,
    ),
    "collect-flickr": (
        "A set such as LaFin, from Flickr's API with your own key (environment variable "
        "FLICKR_API_KEY): each day's list of interesting photos, and as many others of the day. "
        "Give the same command again to go on.",
        _collect_flickr,
    ),
}
"""By command: what it does, and what declares its options."""
