"""Record what a frozen set of commands leaves, and hold two trees of this project side by side.

python scripts/golden.py record --tree OLD_TREE --out old --oasis FOLDER
python scripts/golden.py record --tree . --out new --oasis FOLDER
python scripts/golden.py compare old new           # exit status 1 if anything differs
python scripts/golden.py reopen --old old --tree . --out reopened

`record` runs every command of ``COMMANDS`` with the tree's own code in a folder of its own below
``OUT/work`` and keeps that folder: runs, checkpoints, ledgers, the cache. ``OUT/record.json`` holds
exit statuses, names of files and all values of JSON, CSV, Parquet, NumPy and safetensors files.
`reopen` lets another tree work on a copy of what an old one left. Names that were changed on
purpose are told once, in ``RENAMED``, ``GONE``, ``ADDED`` and ``SPELLINGS``.

Left out: studies whose data are not free to use here (iccv25_table3), GPUs, services, the hub.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

RENAMED: dict[str, str] = {}
"""Old → new: keys, columns, parts of file names between slashes, and whole values that are text."""
GONE: set[str] = set()
"""Keys and parts of file names, spelled as in the old tree, that the new one drops on purpose."""
ADDED: set[str] = set()
"""Keys and parts of file names that only the new tree has."""
SPELLINGS: dict[str, list[tuple[str, str]]] = {}
"""A word of a command, or its part before "=", → (file of a tree, its spelling there).

The first file that the tree has decides; the spelling may be several words, or "" for none:
``{"trainer=ddp_cpu": [("conf/devices/two.yaml", "devices=two")]}``. The file may end in ``:text``,
which must then stand in it. The key ``@name`` replaces the words of the whole command.
"""

IGNORED = re.compile(
    r"(.*_)?(seconds|date|time|path|root|version|latency|sha256)|overrides|started|finished|run|of"
    r"|ledger|host|device|error|attempt_id|request_id|created_at|wall_s|asked_at|answered_at"
)
"""Keys and columns that may differ from run to run: times, places, versions, errors' prose."""
IDENTITY = re.compile(r"identity|(.*_)?fingerprints?|provenance")
"""Keys and columns that are told apart from results."""
PROSE = 5
"""Text with so many blanks or more is for people and not compared."""
LONG = 300
"""Columns with more rows are kept as their first values and sums over all."""


@dataclass(frozen=True)
class Command:
    """One command of the set.

    Attributes:
        words: of ``train …``, ``evaluate …`` or ``interestingness …``; ``{files}`` is the folder
            of `write_files`, ``{oasis}`` that of OASIS, ``{url}`` a scripted server's.
        needs: commands whose folders it reads, or that must be over.
        status_only: only the exit status counts.
    """

    name: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    status_only: bool = False


def _command(name: str, text: str, needs: str = "train", *, status_only: bool = False) -> Command:
    return Command(name, tuple(shlex.split(text)), tuple(needs.split()), status_only)


DATA = "dataset.images=80 dataset.degree=10"
CPU = "trainer.accelerator=cpu hydra.run.dir=run"
SMALL = f"{DATA} trainer.max_epochs=3 {CPU}"
FINE = "model=finetuned_clip data.workers=0 optimizer.lr=0.01"
PHOTOS = "dataset=folder dataset.images={files}/photos"
MOBILE = "model/backbone=torchvision_mobilenet_v2 model.backbone.weights=random"
SCORES = "dataset.scores={files}/stars.csv label_source=scores label_source.column=stars"
CACHED = "model=cached_features model.features={files}/features.npz"
ASKED = "dataset.images=24 dataset.image_size=32 dataset.root=../annotate/scenes"
STUDY = f"{DATA} hydra.run.dir=run trainer.accelerator=cpu"
OASIS = "experiment=oasis_votes hydra.run.dir=run trainer.accelerator=cpu"
WORDS = "model=tag_fusion model/words=file model.words.path={files}/words.json"
CAPTIONER = (
    "captioner.architecture={files}/tiny.json captioner.pretrained=null "
    "captioner.weights=random captioner.most_tokens=8"
)

COMMANDS = [
    # Training: models, losses, splits, sources, shards, ranks, resuming, sweeps.
    _command("train", f"train {SMALL}", ""),
    _command("train_mlp", f"train model=frozen_clip_mlp loss=davidson {SMALL}"),
    _command("train_l2", f"train model=frozen_linear_l2 label_source=gpt4o {SMALL}"),
    _command("train_margin", f"train loss=margin split=half_by_pair scheduler=cosine {SMALL}"),
    _command("train_best", f"train split=lafin_64_16_20 callbacks=best loss=soft_labels {SMALL}"),
    _command("train_mix", f"train label_source=mix optimizer=adamw seed=3 {SMALL}"),
    _command("tune_lora", f"train {FINE} model/tuning=lora {SMALL}"),
    _command("tune_last", f"train {FINE} model.tuning.blocks=1 {SMALL}"),
    _command("tune_full", f"train {FINE} model/tuning=full {SMALL}"),
    _command("tag_fusion", f"train model=tag_fusion {SMALL}"),
    _command("shards_write", f"shards write {DATA} pairs_per_shard=90 out=shards"),
    _command("shards_verify", "shards verify ../shards_write/shards", "shards_write"),
    _command(
        "train_shards",
        f"train data=shards data.shards=../shards_write/shards data.workers=0 {SMALL}",
        "shards_write",
    ),
    _command("train_short", f"train {SMALL} trainer.max_epochs=1"),
    _command("resume", f"train {SMALL} resume=../train_short/run", "train_short"),
    _command("two_ranks", f"train trainer=ddp_cpu {SMALL}"),
    _command(
        "sweep",
        f"train -m label_source=human,views hydra.sweep.dir=sweep {DATA} trainer.max_epochs=2 "
        "trainer.accelerator=cpu",
    ),
    # Judging.
    _command("evaluate", "evaluate ckpt=../train/run hydra.run.dir=run"),
    _command(
        "evaluate_other",
        "evaluate ckpt=../tune_lora/run/checkpoints/last.ckpt dataset=synthetic "
        "dataset.images=50 dataset.seed=7 hydra.run.dir=run",
        "tune_lora",
    ),
    # Folders of photographs.
    _command(
        "photo_votes",
        f"train {PHOTOS} dataset.votes={{files}}/votes.csv {MOBILE} trainer.max_epochs=3 {CPU}",
    ),
    _command("photo_scores", f"train {PHOTOS} {SCORES} model/backbone=attributes {CPU}"),
    _command(
        "photo_ratings",
        f"train {PHOTOS} dataset.ratings={{files}}/ratings.csv dataset.groups={{files}}/stars.csv "
        f"split=by_group split.column=concept {CACHED} {CPU}",
    ),
    _command(
        "photo_tags",
        f"train {PHOTOS} {SCORES} {WORDS} model/backbone=none "
        f"model.features={{files}}/features.npz trainer.max_epochs=3 {CPU}",
    ),
    _command(
        "rank",
        "rank {files}/photos {files}/broken.jpg --scorer ../photo_votes/run --out scores.csv "
        "--sheet sheet",
        "photo_votes",
    ),
    _command("export", "export ../photo_votes/run --out mine", "photo_votes"),
    _command("export_iccv", "export ../photo_votes/run --format iccv --out RI.pth", "photo_votes"),
    _command(
        "rank_export",
        "rank {files}/photos --scorer ../export/mine --out scores.parquet --sheet sheet",
        "export rank",
    ),
    # Scores, captions and features of a data set.
    _command(
        "score",
        "score scorer=cupl scorer.architecture=scene_clip scorer.column=mine dataset.root=scenes "
        "dataset.images=30",
    ),
    _command("caption", f"caption {CAPTIONER} dataset.root=scenes dataset.images=12"),
    _command("features", f"features {DATA} part=1/4 paths.cache=cache"),
    # Studies.
    _command(
        "label_source_table", f"evaluate study=label_source_table {STUDY} study.splits=2"
    ),
    _command("leaderboard", f"evaluate study=leaderboard study.splits=2 {STUDY}"),
    _command(
        "learning_curve",
        f"evaluate study=learning_curve study.splits=2 study.sizes=3 {STUDY} "
        "+label_source@sources.human=human +label_source@sources.mix=mix",
    ),
    _command("discrepancies", f"evaluate study=discrepancies study.splits=2 {STUDY}"),
    _command("image_clusters", f"evaluate study=image_clusters study.clusters=4 {STUDY}"),
    _command("audit_study", f"evaluate study=audit {STUDY}"),
    _command("judges", f"evaluate study=judges {STUDY}"),
    _command("pair_orders", f"evaluate study=pair_orders {STUDY}"),
    _command("social_content", f"evaluate study=social_content study.splits=2 {STUDY}"),
    _command("metadata_by_class", f"evaluate study=metadata_by_class {STUDY}"),
    _command("single_images", f"evaluate study=single_images {STUDY}"),
    _command(
        "lafin_table1",
        "evaluate study=lafin_table1 model=modalities split=lafin_64_16_20 study.splits=1 "
        f"study.epochs=3 study.pair_epochs=2 {STUDY}",
    ),
    _command("debiasing", f"evaluate study=debiasing study.quick=true {STUDY}"),
    _command("pair_choice", f"evaluate study=pair_choice study.quick=true {STUDY}"),
    _command("engagement", f"evaluate study=engagement study.repeats=2 {STUDY}"),
    _command("personas", f"evaluate study=personas {ASKED} hydra.run.dir=run", "annotate_personas"),
    # Real photographs, ratings and features.
    _command("oasis_votes", f"train {OASIS} trainer.max_epochs=5"),
    _command(
        "oasis_beauty",
        "train experiment=oasis_beauty model/backbone=attributes "
        f"'dataset.images={{oasis}}/images/[A-B]*.jpg' trainer.max_epochs=5 {CPU}",
    ),
    _command(
        "oasis_table", f"evaluate study=label_source_table study.splits=2 study.epochs=2 {OASIS}"
    ),
    _command("oasis_audit", f"evaluate study=audit {OASIS}"),
    # Votes, without images and without weights.
    _command("audit", "audit {files}/votes.csv --out page", ""),
    _command("choose", "pairs choose {files}/votes.csv -n 25 --out next.csv", ""),
    _command("choose_images", "pairs choose --images {files}/photos -n 25 --out next.csv", ""),
    # Models that are asked, and their ledgers.
    _command("annotate", f"annotate ledger=answers.sqlite {ASKED}", ""),
    _command("annotate_images", f"annotate what=images ledger=a.sqlite {ASKED}", "annotate"),
    _command(
        "annotate_personas",
        f"annotate ledger=a.sqlite {ASKED} question=lively replace=true "
        "'personas=[a woman from Africa, a child of ten]'",
        "annotate_images",
    ),
    _command(
        "annotate_server",
        "annotate annotator=local annotator.model=judge-1 annotator.base_url={url} orders=random "
        "ledger=a.sqlite dataset.images=24 dataset.image_size=32 dataset.root=scenes",
        "",
    ),
    _command("ledger_status", "ledger status ../annotate/answers.sqlite", "annotate"),
    _command("ledger_export", "ledger export ../annotate/answers.sqlite out=a.csv", "annotate"),
    _command("ledger_verify", "ledger verify ../annotate/answers.sqlite", "annotate"),
    _command(
        "annotate_again",
        f"annotate ledger=../annotate/answers.sqlite sentinel=0 {ASKED}",
        "annotate_personas ledger_status ledger_export ledger_verify personas",
    ),
    # What must be refused, with which exit status.
    *(
        _command(f"bad_{name}", text, needs, status_only=True)
        for name, text, needs in (
            ("option", "train no_such_option=1", ""),
            ("choice", "train label_source=gpt5", ""),
            ("null", "train trainer=null", ""),
            ("split", f"train split.train=2 {SMALL}", "train"),
            ("column", f"train {DATA} label_source=scores {CPU}", "train"),
            ("data", f"train model=finetuned_clip data=features {SMALL}", "train"),
            ("votes", f"train {PHOTOS} dataset.votes=nowhere.csv {MOBILE} {CPU}", ""),
            ("weights", f"train {PHOTOS} {SCORES} model/backbone=scene_clip {CPU}", "train"),
            ("resume", f"train model=frozen_clip_mlp {SMALL} resume=../train_short/run",
             "train_short"),
            ("checkpoint", "evaluate ckpt=nowhere", ""),
            ("study", "evaluate study=no_such_study", ""),
            ("studied", "train study=audit", ""),
            ("rank", "rank nowhere --scorer ../train/run", "train"),
            ("audit", "audit nowhere.csv", ""),
            ("ledger", "ledger status nowhere.sqlite", ""),
            ("shards", "shards verify nowhere", ""),
            ("command", "tarin", ""),
        )
    ),
]  # fmt: skip

REOPENED = [
    *("train", "evaluate", "evaluate_other", "resume", "bad_resume", "rank", "rank_export"),
    *("shards_verify", "train_shards", "photo_votes", "personas", "label_source_table"),
    *("ledger_status", "ledger_export", "ledger_verify", "annotate_again"),
]
"""Commands that work on what the old tree left, or on its cache, and must end as they did."""


# ------------------------------------------------------------------------------- what they work on


def write_files(folder: Path) -> None:
    """Photographs, votes, scores, ratings, features, word vectors, a captioner: all of one seed."""
    from PIL import Image

    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = [f"p{i:02}.jpg" for i in range(26)] + [f"trip/q{i}.jpg" for i in range(6)]
    worth = rng.normal(size=len(names))
    for name, value in zip(names, worth, strict=True):
        file = folder / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 255, (4, 6, 3)) * (0.5 + 0.15 * np.tanh(value))
        Image.fromarray(coarse.astype(np.uint8)).resize((96, 64)).save(file, quality=95)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 and no more")
    votes, ratings = ["left,right,choice,rater,first"], ["image,rater,rating"]
    for rater in range(6):
        for _ in range(60):
            a, b = rng.choice(len(names), 2, replace=False)
            wins = rng.random() < 1 / (1 + np.exp(worth[b] - worth[a] - 0.3))
            choice = "tie" if rng.random() < 0.05 else ("left" if wins else "right")
            votes.append(f"{names[a]},{names[b]},{choice},r{rater},left")
        for i in rng.choice(len(names), 20, replace=False):
            ratings.append(f"{names[i]},r{rater},{round(4 + worth[i] + rng.normal())}")
    stars = ["image;stars;concept;tags"]
    for i, name in enumerate(names):
        tags = ",".join(rng.choice(["sky", "cat", "dog", "sea", "explore"], 2, replace=False))
        stars.append(f"{name};{3 + worth[i]:.2f};c{i % 8};{tags}".replace(".", ",", 2)
                     .replace(",jpg", ".jpg"))  # fmt: skip
    for name, lines in (("votes.csv", votes), ("ratings.csv", ratings), ("stars.csv", stars)):
        (folder / name).write_text("\n".join(lines) + "\n")
    vectors = rng.normal(size=(len(names), 5)) + worth[:, None] * [1, 0, 0, 0.5, 0]
    np.savez(folder / "features.npz", features=vectors.astype(np.float32), files=names)
    words = {word: rng.normal(size=3).tolist() for word in ("sky", "cat", "dog", "sea")}
    (folder / "words.json").write_text(json.dumps(words))
    size = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    pool = {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 8}
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    tiny = {
        "embed_dim": 16,
        "vision_cfg": {**vision, **pool, "output_tokens": True},
        "text_cfg": {**size, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**size, "attn_pooler_heads": 2},
    }
    (folder / "tiny.json").write_text(json.dumps(tiny))


@contextmanager
def scripted_server(tree: Path) -> Iterator[str]:
    """URL of the tree's own scripted server: it chooses what is shown first, always."""
    script = tree / "tests" / "annotators" / "servers" / "scripted.py"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, script], stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        server.stdin.close()
        server.stdout.read()


# ------------------------------------------------------------------------------------------ running


@dataclass(frozen=True)
class Place:
    """Where commands run.

    Attributes:
        tree: whose code runs.
        work: folder of the commands' folders, of ``cache`` and of ``files``.
        oasis: folder of OASIS, or None.
        through: program and arguments that each command is started by.
        prefix: of the commands' folders.
    """

    tree: Path
    work: Path
    oasis: Path | None
    through: tuple[str, ...]
    prefix: str = ""

    def environment(self) -> dict[str, str]:
        """Offline, one thread, this tree before any installed one, the record's own cache."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "OASIS"))}
        given = {"PYTHONPATH": str(self.tree), "INTERESTINGNESS_CACHE": "../cache"}
        given |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}
        given |= {"COLUMNS": "100", "OASIS": str(self.oasis or "")}
        return {**kept, **given, "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": ""}

    def spelled(self, command: Command) -> list[str]:
        """The command's words as this tree wants them."""
        found: list[str] = []
        if (whole := self._spelling(f"@{command.name}")) is not None:
            return shlex.split(whole)
        for word in command.words:
            key, equals, value = word.partition("=")
            if (exact := self._spelling(word)) is not None:
                found += shlex.split(exact)
            elif equals and (renamed := self._spelling(key)) is not None:
                found += [f"{renamed}={value}"] if renamed else []
            else:
                found.append(word)
        return found

    def _spelling(self, key: str) -> str | None:
        for where, spelling in SPELLINGS.get(key, []):
            name, _, text = where.partition(":")
            file = self.tree / name
            if file.exists() and (not text or text in file.read_text(encoding="utf-8")):
                return spelling
        return None

    def run(self, command: Command, timeout_s: float) -> dict[str, Any]:
        """Run one command in its folder; its exit status (124 for a time-out) and what it left."""
        folder = self.work / f"{self.prefix}{command.name}"
        folder.mkdir(parents=True)
        with ExitStack() as stack:
            words = self.spelled(command)
            url = stack.enter_context(scripted_server(self.tree)) if "{url}" in str(words) else ""
            given = {"{files}": "../files", "{oasis}": str(self.oasis), "{url}": url}
            for mark, value in given.items():
                words = [word.replace(mark, value) for word in words]
            script = self.tree / f"{words[0]}.py"
            start = [str(script)] if script.is_file() else ["-m", "interestingness", words[0]]
            begun = time.monotonic()
            try:
                done = subprocess.run(
                    [*self.through, sys.executable, *start, *words[1:]],
                    cwd=folder, env=self.environment(), timeout=timeout_s,
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                )  # fmt: skip
                status, said = done.returncode, (done.stdout, done.stderr)
            except subprocess.TimeoutExpired:
                status, said = 124, ("", f"ran past {timeout_s:.0f} s")
        found: dict[str, Any] = {"words": words, "status": status}
        found |= {"seconds": round(time.monotonic() - begun, 1), "identity": {}}
        if not command.status_only:
            found |= left_in(folder, self, found["identity"])
        return {**found, "stdout": said[0], "stderr": said[1]}

    def check(self) -> None:
        """Refuse a set-up in which another tree's code would run."""
        code = "import interestingness; print(interestingness.__file__)"
        shown = subprocess.run(
            [sys.executable, "-c", code], env=self.environment(), cwd=self.work,
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        if not Path(shown.strip()).resolve().is_relative_to(self.tree):
            raise SystemExit(f"error: {shown.strip()} is imported, not {self.tree}")


def run_all(commands: Sequence[Command], place: Place, options: argparse.Namespace) -> Any:
    """Run commands side by side, each after those that it needs; their records by name."""
    records: dict[str, Any] = {}
    waiting, running = list(commands), {}
    names = {command.name for command in commands}
    with ThreadPoolExecutor(options.jobs) as pool:
        while waiting or running:
            free = options.jobs - len(running)
            ready = [c for c in waiting if not (set(c.needs) & names) - set(records)][:free]
            for command in ready:
                waiting.remove(command)
                future: Future[Any] = pool.submit(place.run, command, options.timeout)
                running[future] = command.name
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                name = running.pop(future)
                records[name] = found = future.result()
                print(f"{found['seconds']:6.1f} s  status {found['status']:3}  {name}", flush=True)
    return {command.name: records[command.name] for command in commands}


# ------------------------------------------------------------------------------- what commands leave


def left_in(folder: Path, place: Place, identity: dict[str, Any]) -> dict[str, Any]:
    """Names and values of a command's files."""
    names, values = [], {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = plain_name(file.relative_to(folder).as_posix())
        names.append(name)
        if name.endswith((".lock", ".sqlite-shm", ".sqlite-wal")):
            names.pop()
        elif (found := content(file)) is not None:
            values[name] = normal(found, place, f"{name}/", identity)
    return {"files": sorted(names), "values": values}


def plain_name(name: str) -> str:
    """A file's name without moments and hashes."""
    name = re.sub(r"\d{8}-\d{6}(-\d+)?", "TIME", name)
    return re.sub(r"(?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{8,64}(?![0-9a-z])", "HASH", name)


def content(file: Path) -> Any:
    """What a file says, as plain values; None for what is not compared."""
    if file.suffix == ".json":
        return json.loads(file.read_text(encoding="utf-8"))
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return {name: [cell(row[name]) for row in rows] for name in rows[0]} if rows else {}
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        return {name: table[name].to_pylist() for name in sorted(table.column_names)}
    if file.suffix in {".npy", ".npz"}:
        loaded = np.load(file)
        arrays = dict(loaded) if file.suffix == ".npz" else {"array": loaded}
        return {name: [list(a.shape), *a.ravel().tolist()] for name, a in arrays.items()}
    if file.suffix == ".safetensors":
        data = io.BytesIO(file.read_bytes())
        about = json.loads(data.read(int.from_bytes(data.read(8), "little")))
        tensors = data.read()
        return {
            name: [node["dtype"], *node["shape"], *np.frombuffer(
                tensors[slice(*node["data_offsets"])], "<f4").tolist()]
            for name, node in about.items() if node.get("dtype") == "F32"
        }  # fmt: skip
    return None


def cell(text: str | None) -> Any:
    """A cell of a CSV file: a whole number, a number, or text."""
    for kind in (int, float):
        try:
            return kind(text or "")
        except ValueError:
            continue
    return text


def normal(value: Any, place: Place, at: str, identity: dict[str, Any]) -> Any:
    """The value without what may differ; identities go into `identity` instead."""
    if isinstance(value, dict):
        found = {}
        for key, inner in value.items():
            if IDENTITY.fullmatch(str(key)):
                identity[f"{at}{key}"] = plain(inner, place)
            elif not IGNORED.fullmatch(str(key)):
                found[plain_name(str(key))] = normal(inner, place, f"{at}{key}/", identity)
        return found
    if isinstance(value, list):
        if len(value) > LONG and not any(isinstance(item, dict | list) for item in value):
            return summary([plain(item, place) for item in value])
        return [normal(item, place, f"{at}{i}/", identity) for i, item in enumerate(value)]
    return plain(value, place)


def plain(value: Any, place: Place) -> Any:
    """A leaf; prose is only marked, and places are those of the record."""
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | float | list | dict | None) else str(value)
    known = {place.work: "WORK", place.tree: "TREE", place.oasis: "OASIS"}
    for path, mark in known.items():
        value = value.replace(str(path), mark) if path else value
    return "PROSE" if value.count(" ") >= PROSE else plain_name(value)


def summary(column: list[Any]) -> dict[str, Any]:
    """The first values of a long column, and sums or a hash over all."""
    found: dict[str, Any] = {"rows": len(column), "first": column[: LONG // 3]}
    numbers = [v for v in column if isinstance(v, int | float) and math.isfinite(v)]
    if numbers:
        array = np.asarray(numbers, float)
        found |= {"numbers": len(numbers), "mean": float(array.mean()), "sd": float(array.std())}
        found["slope"] = float(array @ np.linspace(-1, 1, len(array)) / len(array))
    texts = [v for v in column if isinstance(v, str)]
    if texts:
        found["texts"] = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    return found


# ---------------------------------------------------------------------------------------- comparing


def differences(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """One line for each value that differs; numbers may be 1e-6 apart."""
    if isinstance(old, dict) and isinstance(new, dict):
        old = {renamed(key): value for key, value in old.items() if not in_parts(key, GONE)}
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in new:
                yield f"{at}{key}: no longer there"
            elif key in old:
                yield from differences(old[key], new[key], f"{at}{key} > ")
            elif not in_parts(key, ADDED):
                yield f"{at}{key}: only in the new one"
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{at}{len(old)} values, now {len(new)}"
        for i, (one, two) in enumerate(zip(old, new, strict=False)):
            yield from differences(one, two, f"{at}{i} > ")
    elif not same(old, new):
        yield f"{at.removesuffix(' > ')}: {old!r}, now {new!r}"


def same(old: Any, new: Any) -> bool:
    """Whether two leaves are equal."""
    kinds = {type(old), type(new)}
    if float in kinds and kinds <= {int, float}:
        near = math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-6)
        return near or (math.isnan(old) and math.isnan(new))
    return len(kinds) == 1 and (old == new or (isinstance(old, str) and renamed(old) == new))


def renamed(name: str) -> str:
    """An old name as the new tree spells it."""
    return "/".join(RENAMED.get(part, part) for part in name.split("/"))


def in_parts(name: str, names: set[str]) -> bool:
    return not names.isdisjoint((name, *name.split("/")))


def of_files(record: dict[str, Any], left_out: set[str]) -> list[str]:
    return [name for name in record.get("files", []) if not in_parts(name, left_out)]


def compare(old: dict[str, Any], new: dict[str, Any], most: int) -> int:
    """Print a line for each command; 1 if anything differs."""
    status = 0
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in old or name not in new:
            print(f"{name}: only in the {'new' if name in new else 'old'} record")
            status = 1
            continue
        one, two = old[name], new[name]
        found = list(differences(one["status"], two["status"], "exit status"))
        before = set(map(renamed, of_files(one, GONE)))
        now = set(of_files(two, ADDED)) | (set(two.get("files", [])) & before)
        found += [f"file {n}: no longer there" for n in sorted(before - now)]
        found += [f"file {n}: only in the new one" for n in sorted(now - before)]
        found += differences(one.get("values", {}), two.get("values", {}))
        other = list(differences(one["identity"], two["identity"]))
        note = f"; {len(other)} identities changed, e.g. {other[0]}" if other else ""
        print(f"{name}: {f'{len(found)} differences' if found else 'equal'}{note}")
        for line in found[:most]:
            print(f"  {line}")
        status |= bool(found)
    return status


# --------------------------------------------------------------------------------------------- doors


def record(options: argparse.Namespace) -> int:
    """Run the set with one tree; the record and the work folder stay in ``--out``."""
    place = _place(options)
    write_files(place.work / "files")
    place.check()
    wanted = set(options.only or [command.name for command in COMMANDS])
    for command in reversed(COMMANDS * 3):  # and those that they need
        wanted |= set(command.needs) if command.name in wanted else set()
    chosen = [command for command in COMMANDS if command.name in wanted]
    if place.oasis is None:
        chosen = [command for command in chosen if not command.name.startswith("oasis_")]
        print("without --oasis: no commands on real photographs")
    _write(options.out, run_all(chosen, place, options))
    return 0


def reopen(options: argparse.Namespace) -> int:
    """Let a tree go on from a copy of what an old one left, and compare."""
    old = _read(options.old)
    place = _place(options, "reopened_")
    shutil.copytree(options.old / "work", place.work, symlinks=True, dirs_exist_ok=True)
    place.check()
    before = _cached(place.work), _cached(options.old / "work")
    chosen = [c for c in COMMANDS if c.name in REOPENED and c.name in old]
    new = run_all(chosen, place, options)
    _write(options.out, new)
    status = compare({name: old[name] for name in new}, new, options.most)
    fresh = sorted(_cached(place.work) - before[0])
    print(f"cache: {f'{len(fresh)} files were made anew' if fresh else 'all of it was used again'}")
    for name in fresh[: options.most]:
        print(f"  {name}")
    touched = _cached(options.old / "work") != before[1]
    if touched:
        print("the old record's own cache was written to")
    return int(status or bool(fresh) or touched)


def _cached(work: Path) -> set[str]:
    """Features, shards and data sets in a cache, but for locks and notes of what was hashed."""
    files = (path for path in (work / "cache").rglob("*") if path.is_file())
    kept = (f for f in files if f.suffix in {".npy", ".parquet", ".tar", ".jpg", ".npz"})
    return {file.relative_to(work).as_posix() for file in kept}


def _place(options: argparse.Namespace, prefix: str = "") -> Place:
    work = options.out.resolve() / "work"
    if work.exists():
        raise SystemExit(f"error: {work} is there already: name another --out")
    work.mkdir(parents=True)
    oasis = options.oasis and options.oasis.resolve()
    return Place(options.tree.resolve(), work, oasis, tuple(shlex.split(options.through)), prefix)


def _write(out: Path, records: dict[str, Any]) -> None:
    (out / "record.json").write_text(json.dumps(records, indent=1, default=str) + "\n")
    print(f"{len(records)} commands: {out / 'record.json'}")


def _read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    doors = parser.add_subparsers(dest="door", required=True)
    for name in ("record", "reopen"):
        door = doors.add_parser(name)
        door.add_argument("--tree", type=Path, required=True, help="whose code runs")
        door.add_argument("--out", type=Path, required=True, help="folder to make")
        door.add_argument("--oasis", type=Path, help="folder of OASIS; without it fewer commands")
        door.add_argument("--jobs", type=int, default=2, help="commands at a time (%(default)s)")
        door.add_argument("--timeout", type=float, default=300, help="seconds (%(default)s)")
        door.add_argument("--through", default="", help="program that starts each command")
    doors.choices["record"].add_argument("--only", nargs="+", metavar="NAME")
    doors.choices["reopen"].add_argument("--old", type=Path, required=True, help="of a record")
    compared = doors.add_parser("compare")
    compared.add_argument("old", type=Path)
    compared.add_argument("new", type=Path)
    for door in (compared, doors.choices["reopen"]):
        door.add_argument("--most", type=int, default=12, help="lines per command (%(default)s)")
    options = parser.parse_args()
    if options.door == "compare":
        return compare(_read(options.old), _read(options.new), options.most)
    return record(options) if options.door == "record" else reopen(options)


if __name__ == "__main__":
    sys.exit(main())
