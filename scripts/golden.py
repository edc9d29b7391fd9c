"""Record what a frozen set of commands leaves, and hold two trees of this project side by side.

python scripts/golden.py record --tree OLD_TREE --out old --oasis FOLDER
python scripts/golden.py record --tree . --out new --oasis FOLDER
python scripts/golden.py compare old new           # exit status 1 if anything differs
python scripts/golden.py reopen --old old --tree . --out reopened

`record` runs every line of ``TABLE`` with the tree's own code, each in a folder of its own below
``OUT/work``, and keeps these folders: runs, checkpoints, ledgers, the cache. ``OUT/record.json``
holds exit statuses, names of files and the values of JSON, CSV, Parquet, NumPy and safetensors
files. `reopen` lets another tree work on a copy of what an old one left. What was renamed on
purpose is told once, in ``RENAMED``, ``GONE``, ``ADDED`` and ``SPELLINGS``.

Left out: the study iccv25_table3 and the data sets whose files are not free, the hub, services,
GPUs. Not compared: print-outs, pages, figures, prose, times, places, versions, SQLite files.
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
import signal
import subprocess
import sys
import time
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

RENAMED: dict[str, str] = {"human_ceiling": "one_person"}
"""Old → new: keys, columns, parts of file names between slashes, and whole values that are text.

A name counts only where the old one is no longer there.
"""
GONE: set[str] = set()
"""Keys and parts of file names, spelled as in the old tree, that the new one drops on purpose."""
ADDED: set[str] = {"collected", "name"}
"""Keys and parts of file names that only the new tree has."""
SPELLINGS: dict[str, list[tuple[str, str]]] = {
    "model=paper_recipe": [
        ("conf/model/paper_recipe.yaml", "model=paper_recipe"),
        ("conf/model/frozen_clip_linear.yaml", "model=frozen_clip_linear"),
    ],
    "model=linear": [
        ("conf/model/linear.yaml", "model=linear"),
        ("conf/model/frozen_linear_l2.yaml", "model=frozen_linear_l2"),
    ],
}
"""A word of a command, or its part before "=", → (file of a tree, how that tree spells it).

The first file that the tree has decides; it may end in ``:text``, which must then stand in it. A
word may become several or, with "", none; the key ``@NAME`` replaces all words of a command:
``{"trainer=ddp_cpu": [("conf/devices/two.yaml", "devices=two")]}``.
"""

IGNORED = re.compile(
    r"(.*_)?(seconds|date|time|path|root|version|latency)|overrides|started|finished|run|of|error"
    r"|ledger|host|device|(attempt|request|response)_id|(created|asked|answered)_at"
)
"""Keys and columns that may differ from run to run."""
IDENTITY = re.compile(r"identity|(.*_)?fingerprints?|provenance")
"""Keys and columns that are told apart from results: a change is said and is no difference."""
PROSE = 5
"""Text with so many blanks or more is for people and not compared."""
LONG = 300
"""Columns with more rows are kept as their first values and sums over all."""

MACROS = {
    "DATA": "dataset.images=80 dataset.degree=10",
    "CPU": "trainer.accelerator=cpu hydra.run.dir=run",
    "SMALL": "DATA trainer.max_epochs=3 CPU",
    "RECIPE": "model=paper_recipe split=half_by_image",  # what older trees do by default
    "FINE": "model=finetuned_clip data.workers=0 optimizer.lr=0.01",
    "PHOTOS": "dataset=folder dataset.images=../files/photos",
    "STARS": "dataset.scores=../files/stars.csv label_source=scores label_source.column=stars",
    "RESNET": "model/backbone=torchvision_resnet50 model.backbone.architecture=resnet18 "
    "model.backbone.pretrained=IMAGENET1K_V1 model.backbone.weights=random",
    "VECTORS": "model.features=../files/features.npz",
    "WORDS": "model=tag_fusion model/words=file model.words.path=../files/words.json",
    "ASKED": "dataset.images=24 dataset.image_size=32",
    "TINY": "captioner.architecture=../files/tiny.json captioner.pretrained=null "
    "captioner.weights=random captioner.most_tokens=8",
    "SERVED": "annotator=local annotator.model=judge-1 orders=random ledger=../served.sqlite",
}
TABLE = """
# name, ":" and the command; in brackets, whom it waits for beside `train`, whose cache it shares
train: train RECIPE SMALL
train_default: train SMALL
train_mlp: train model=frozen_clip_mlp split=half_by_image loss=davidson SMALL
train_l2: train model=linear split=half_by_image label_source=gpt4o SMALL
train_margin: train model=paper_recipe loss=margin split=half_by_pair scheduler=cosine SMALL
train_best: train model=paper_recipe split=lafin_64_16_20 callbacks=best loss=soft_labels SMALL
train_mix: train split=half_by_image label_source=mix optimizer=adamw seed=3 SMALL
tune_lora: train FINE split=half_by_image model/tuning=lora SMALL
tune_last: train FINE split=half_by_image model.tuning.blocks=1 SMALL
tune_full: train FINE split=half_by_image model/tuning=full SMALL
tag_fusion: train model=tag_fusion split=half_by_image SMALL
shards_write: shards write DATA pairs_per_shard=90 out=shards
shards_verify [shards_write]: shards verify ../shards_write/shards
train_shards [shards_write]:
  train RECIPE data=shards data.shards=../shards_write/shards data.workers=0 SMALL
train_short: train RECIPE SMALL trainer.max_epochs=1
resume [train_short]: train RECIPE SMALL resume=../train_short/run/checkpoints/last.ckpt
two_ranks: train RECIPE trainer=ddp_cpu SMALL
sweep: train -m RECIPE label_source=human,views hydra.sweep.dir=sweep SMALL
evaluate: evaluate ckpt=../train/run hydra.run.dir=run
evaluate_other [tune_lora]: evaluate ckpt=../tune_lora/run/checkpoints/last.ckpt
  dataset=synthetic dataset.images=50 dataset.seed=7 hydra.run.dir=run

# Photographs: votes, scores, ratings; ranking by what was learnt, and by its export
photo_votes: train RECIPE PHOTOS dataset.votes=../files/votes.csv RESNET trainer.max_epochs=3 CPU
photo_scores: train RECIPE PHOTOS STARS model/backbone=attributes CPU
photo_ratings: train PHOTOS dataset.ratings=../files/ratings.csv
  dataset.groups=../files/stars.csv split=by_group split.column=concept
  model=cached_features VECTORS CPU
photo_tags: train PHOTOS STARS WORDS model/backbone=none VECTORS trainer.max_epochs=3 CPU
rank [photo_votes]: rank ../files/photos ../files/broken.jpg --scorer ../photo_votes/run
  --out scores.csv --sheet sheet
export [photo_votes]: export ../photo_votes/run --out mine
export_iccv [photo_votes]: export ../photo_votes/run --format iccv --out RI.pth
rank_export [export rank]: rank ../files/photos --scorer ../export/mine --out scores.parquet
score: score scorer=cupl scorer.architecture=scene_clip scorer.column=mine dataset.images=30
  dataset.root=scenes
caption: caption TINY dataset.root=scenes dataset.images=12
features: features DATA part=1/4 paths.cache=cache

# Studies
label_source_table: evaluate study=label_source_table study.splits=2 study.epochs=5 DATA CPU
leaderboard: evaluate study=leaderboard study.splits=2 DATA CPU
learning_curve: evaluate study=learning_curve study.splits=2 study.sizes=4 DATA CPU
  +label_source@sources.human=human +label_source@sources.mix=mix
discrepancies: evaluate study=discrepancies study.splits=2 DATA CPU
image_clusters: evaluate study=image_clusters study.clusters=4 DATA CPU
audit_study: evaluate study=audit DATA CPU
judges: evaluate study=judges DATA CPU
pair_orders: evaluate study=pair_orders DATA CPU
social_content: evaluate study=social_content study.splits=2 DATA CPU
metadata_by_class: evaluate study=metadata_by_class DATA CPU
single_images: evaluate study=single_images DATA CPU
lafin_table1: evaluate study=lafin_table1 model=modalities split=lafin_64_16_20 study.splits=1
  study.epochs=3 study.pair_epochs=2 DATA CPU
debiasing: evaluate study=debiasing study.quick=true CPU
pair_choice: evaluate study=pair_choice study.quick=true CPU
engagement: evaluate study=engagement study.repeats=2 CPU
personas [annotate_personas]:
  evaluate study=personas ASKED dataset.root=../annotate_personas/scenes CPU

# Real photographs, ratings and features, with --oasis
oasis_votes: train model=paper_recipe experiment=oasis_votes trainer.max_epochs=5 CPU
oasis_beauty: train experiment=oasis_beauty model/backbone=attributes trainer.max_epochs=5 CPU
  'dataset.images=${oc.env:OASIS}/images/[A-B]*.jpg'
oasis_table:
  evaluate experiment=oasis_votes study=label_source_table study.splits=2 study.epochs=2 CPU
oasis_audit: evaluate experiment=oasis_votes study=audit CPU

# Votes alone; models that are asked, and their ledgers; for {dead} nobody may be asked again
audit: audit ../files/votes.csv --out page
choose: pairs choose ../files/votes.csv -n 25 --out next.csv
choose_images: pairs choose --images ../files/photos -n 25 --out next.csv
annotate: annotate ledger=../answers.sqlite dataset.root=scenes ASKED
annotate_images: annotate what=images ledger=a.sqlite dataset.root=scenes ASKED
annotate_personas: annotate ledger=a.sqlite dataset.root=scenes ASKED
  'personas=["a woman from Africa","a child of ten"]'
annotate_server: annotate SERVED annotator.base_url={url} dataset.root=scenes ASKED
ledger_status [annotate]: ledger status ../answers.sqlite
ledger_export [annotate]: ledger export ../answers.sqlite out=votes.csv
ledger_verify [annotate]: ledger verify ../answers.sqlite
annotate_again [annotate ledger_status ledger_export ledger_verify]:
  annotate ledger=../answers.sqlite sentinel=0 dataset.root=scenes ASKED
server_again [annotate_server]:
  annotate SERVED annotator.base_url={dead} sentinel=0 dataset.root=scenes ASKED

# What must be refused: only the exit status counts
bad_option: train no_such_option=1
bad_choice: train label_source=gpt5
bad_null: train trainer=null
bad_split: train split.train=2 SMALL
bad_column: train label_source=scores SMALL
bad_data: train model=finetuned_clip data=features SMALL
bad_votes: train PHOTOS dataset.votes=nowhere.csv RESNET CPU
bad_weights: train PHOTOS STARS model/backbone=scene_clip CPU
bad_resume [train_short]: train model=frozen_clip_mlp SMALL resume=../train_short/run
bad_checkpoint: evaluate ckpt=nowhere
bad_study: evaluate study=no_such_study
bad_studied: train study=audit
bad_rank: rank nowhere --scorer ../train/run
bad_audit: audit nowhere.csv
bad_ledger: ledger status nowhere.sqlite
bad_shards: shards verify nowhere
bad_command: tarin
"""
REOPENED = (
    *("train", "evaluate", "evaluate_other", "resume", "bad_resume", "rank", "rank_export"),
    *("shards_verify", "train_shards", "photo_votes", "personas", "label_source_table"),
    *("ledger_status", "ledger_export", "ledger_verify", "annotate_again", "server_again"),
)
"""Commands that work on what the old tree left, or on its cache, and must end as they did."""


@dataclass(frozen=True)
class Command:
    """One command of the set: its words, and the commands that must be over before it."""

    name: str
    words: tuple[str, ...]
    needs: tuple[str, ...]


def commands() -> list[Command]:
    """``TABLE``, read."""
    found = []
    lines = [line for line in TABLE.splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\n  ", " ").splitlines():
        about, _, text = line.partition(":")
        name, *needs = about.replace("[", " ").replace("]", " ").split()
        for _ in range(2):
            text = re.sub(r"\b[A-Z]{3,}\b(?!\})", lambda m: MACROS.get(m[0], m[0]), text)
        first = () if name == "train" else ("train",)
        found.append(Command(name, tuple(shlex.split(text)), (*first, *needs)))
    return found


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
        number = f"{3 + worth[i]:.2f}".replace(".", ",")
        stars.append(f"{name};{number};c{i % 8};{tags}")
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


JUDGE = r"""
import base64, io, json, re, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from PIL import Image
from servers.scripted import Answer, ScriptedServer, completion

def blue(data):
    picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    return np.asarray(picture, float).mean((0, 1)) @ [-1, -1, 2]

def script(seen):
    shown = [blue(data) for data in re.findall(rb"data:image/\w+;base64,([\w+/=]+)", seen.body)]
    choice = "second" if len(shown) == 2 and shown[1] > shown[0] else "first"
    return Answer(body=completion(json.dumps({"choice": choice, "reason": "bluer"})))

with ScriptedServer(script) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


@contextmanager
def scripted_server(tree: Path) -> Iterator[str]:
    """URL of the tree's own scripted server, behind which a judge prefers the bluer image."""
    start = [sys.executable, "-c", JUDGE, str(tree / "tests" / "annotators")]
    pipe = subprocess.PIPE
    with subprocess.Popen(start, stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        server.stdin.close()


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
            dead = "http://127.0.0.1:9/v1"
            words = [word.replace("{url}", url).replace("{dead}", dead) for word in words]
            script = self.tree / f"{words[0]}.py"
            start = [str(script)] if script.is_file() else ["-m", "interestingness", words[0]]
            begun, pipe = time.monotonic(), subprocess.PIPE
            process = subprocess.Popen(
                [*self.through, sys.executable, *start, *words[1:]],
                cwd=folder, env=self.environment(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace",
            )  # fmt: skip
            try:
                said, status = process.communicate(timeout=timeout_s), process.returncode
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                said, status = process.communicate(), 124
        found: dict[str, Any] = {"words": words, "status": status}
        found |= {"seconds": round(time.monotonic() - begun, 1), "identity": {}}
        if not command.name.startswith("bad_"):
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
    waiting = list(commands)
    running: dict[Future[Any], str] = {}
    names = {command.name for command in commands}
    with ThreadPoolExecutor(options.jobs) as pool:
        while waiting or running:
            free = options.jobs - len(running)
            ready = [c for c in waiting if not (set(c.needs) & names) - set(records)][:free]
            for command in ready:
                waiting.remove(command)
                future = pool.submit(place.run, command, options.timeout)
                running[future] = command.name
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                name = running.pop(future)
                records[name] = found = future.result()
                print(f"{found['seconds']:6.1f} s  status {found['status']:3}  {name}", flush=True)
    return {command.name: records[command.name] for command in commands}


def left_in(folder: Path, place: Place, identity: dict[str, Any]) -> dict[str, Any]:
    """Names and values of a command's files."""
    names, values = [], {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = plain_name(file.relative_to(folder).as_posix())
        names.append(name)
        if name.endswith((".lock", "-shm", "-wal", "-journal")):
            names.pop()
        elif (found := content(file)) is not None:
            values[name] = normal(found, place, f"{name}/", identity)
    return {"files": sorted(names), "values": values}


def plain_name(name: str) -> str:
    """A file's name without moments and hashes."""
    name = re.sub(r"(?<![0-9a-z])\d{8}-\d{6}(-\d+)?(?![0-9a-z])", "TIME", name)
    return re.sub(r"(?<![0-9a-z])[0-9a-f]{8,64}(?![0-9a-z])", "HASH", name)


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
                text = json.dumps(inner, default=str).replace(str(place.work), "WORK")
                long = hashlib.sha256(text.encode()).hexdigest()
                identity[f"{at}{key}"] = text if len(text) < 100 else long
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
    return "PROSE" if value.count(" ") >= PROSE else value


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


def differences(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """One line for each value that differs; numbers may be 1e-6 apart."""
    if isinstance(old, dict) and isinstance(new, dict):
        kept = [key for key in old if key in new or not is_told(key, GONE)]
        old = {spelled_in(new, key): old[key] for key in kept}
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in new:
                yield f"{at}{key}: no longer there"
            elif key in old:
                yield from differences(old[key], new[key], f"{at}{key} > ")
            elif not is_told(key, ADDED):
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
    parts = (RENAMED.get(part, part) for part in name.split("/"))
    return RENAMED[name] if name in RENAMED else "/".join(parts)


def spelled_in(new: Container[str], name: str) -> str:
    """An old name: itself where it is still there."""
    return name if name in new else renamed(name)


def is_told(name: str, names: set[str]) -> bool:
    """Whether a name, or a part of it between slashes, is one of these."""
    return not names.isdisjoint((name, *name.split("/")))


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
        here = set(two.get("files", []))
        kept = {n for n in one.get("files", []) if n in here or not is_told(n, GONE)}
        before = {spelled_in(here, n) for n in kept}
        now = {n for n in here if n in before or not is_told(n, ADDED)}
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


def record(options: argparse.Namespace) -> int:
    """Run the set with one tree; the record and the work folder stay in ``--out``."""
    place = _place(options)
    write_files(place.work / "files")
    place.check()
    wanted = set(options.only or [command.name for command in commands()])
    for command in commands() * 3:  # and those that they need
        wanted |= set(command.needs) if command.name in wanted else set()
    chosen = [command for command in commands() if command.name in wanted]
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
    chosen = [c for c in commands() if c.name in REOPENED and c.name in old]
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
    """Features, shards and data sets in a cache; folders of photographs, whose own place counts
    for what was prepared of them, are new ones in a copy."""
    files = (path for path in (work / "cache").rglob("*") if path.is_file())
    kept = (f for f in files if f.suffix in {".npy", ".parquet", ".tar", ".jpg", ".npz"})
    names = {file.relative_to(work).as_posix() for file in kept}
    return {name for name in names if not name.startswith("cache/datasets/folder-")}


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
