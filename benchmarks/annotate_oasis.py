"""A whole run on the OASIS photographs: annotate → train → evaluate, against a local server.

    OASIS=FOLDER python benchmarks/annotate_oasis.py [--images '*.jpg'] [--pairs-per-image 6]
        [--out FOLDER]

The server speaks OpenAI's protocol on 127.0.0.1 and answers as a SIMULATED judge: P("first") is
logistic in the difference of the photographs' mean beauty ratings, with noise and a liking for the
second place. Its agreement with people is by construction. What is shown is that the whole way
works: requests counted by the server against the ledger's labels, the planted order term against
the estimated one, a model learnt from the votes and held against people. OASIS is a folder of
images/, ratings.csv, beauty_individual.csv.gz and clip_like_vectors_1024.npz (evaluation only).

tiny: tests/end_to_end/test_annotate_oasis.py
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from interestingness.annotators.backends import Backend
from interestingness.annotators.sent_images import Transcode
from interestingness.annotators.simulated import SENTENCE, SimulatedJudge
from interestingness.annotators.summary import summarise

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "annotators"))
from servers.simulated import SimulatedServer

OASIS = Path(os.environ.get("OASIS", "oasis")).absolute()
MODEL = "simulated-beauty-judge"
SHARPNESS, ORDER_TERM, NOISE = 1.5, -1.0, 0.7


def planted_utilities(pattern: str, transcode: Transcode) -> dict[str, float]:
    """Standardised mean beauty by the hash of the bytes that will be sent."""
    with open(OASIS / "ratings.csv", newline="", encoding="utf-8") as stream:
        beauty = {row["file"]: float(row["beauty_mean"]) for row in csv.DictReader(stream)}
    files = [path for path in sorted((OASIS / "images").glob(pattern)) if path.name in beauty]
    values = np.array([beauty[path.name] for path in files])
    values = (values - values.mean()) / values.std()
    sent = [hashlib.sha256(transcode(p.read_bytes(), where=p.name)).hexdigest() for p in files]
    return dict(zip(sent, values.tolist(), strict=True))


def run(words: list[str], folder: Path) -> str:
    """One command, as a user types it; its output is shown and returned."""
    shown = " ".join(words).replace(str(OASIS), "oasis")
    print(f"\n$ interestingness {shown}", flush=True)
    environment = {**os.environ, "INTERESTINGNESS_CACHE": str(folder / "cache"), "COLUMNS": "100"}
    environment.pop("OPENAI_API_KEY", None)
    done = subprocess.run(
        [sys.executable, "-m", "interestingness", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout, flush=True)
    if done.returncode:
        raise SystemExit(f"exit status {done.returncode}")
    return done.stdout


def whole_run(folder: Path, pattern: str, pairs_per_image: int) -> dict[str, float]:
    """Annotate, train and evaluate; what the server counted and what came of it."""
    backend = Backend(
        name="local",
        model=MODEL,
        base_url="http://127.0.0.1/v1",
        parameters={},
        allowed=[],
        price={"prompt": 0, "completion": 0},
        limits={"concurrency": 1, "deadline_s": 1},
    )
    judge = SimulatedJudge(
        seed=0,
        sharpness=SHARPNESS,
        order_term=ORDER_TERM,
        noise=NOISE,
        utilities=planted_utilities(pattern, backend.transcode),
        model=MODEL,
    )
    data = [
        "dataset=folder",
        f"dataset.images={OASIS}/images/{pattern}",
        f"dataset.scores={OASIS}/ratings.csv",
        f"dataset.ratings={OASIS}/beauty_individual.csv.gz",
        "dataset.image_key=item",
        "dataset.columns.rater=subjID",
        "dataset.columns.rating=beauty",
        "dataset.on_missing=skip",
        f"dataset.pairs_per_image={pairs_per_image}",
        "question=beautiful",
    ]
    with SimulatedServer(judge) as server:
        asked = ["annotate", *data, "annotator=local", f"annotator.model={MODEL}"]
        asked += [f"annotator.base_url={server.base_url}"]
        run([*asked, "dry_run=true"], folder)
        dry = len(server.journal)
        run([*asked, "pilot=30"], folder)
        began = time.monotonic()
        run(asked, folder)
        seconds = time.monotonic() - began
        bought = len(server.journal)
        run(asked, folder)
        again = len(server.journal) - bought
    (table,) = (folder / "cache").glob("datasets/*/annotations/votes-*.parquet")
    votes = pq.read_table(table)
    (summary,) = summarise(votes)
    run(
        [
            "train",
            *data,
            "label_source=judge",
            f'label_source.raters=["{MODEL}*"]',
            "split=by_group",
            "split.column=concept",
            "model=cached_features",
            f"model.features={OASIS}/clip_like_vectors_1024.npz",
            "data.batch_size=256",
            "+label_source@references.mean_beauty=scores",
            "references.mean_beauty.column=beauty_mean",
            "paths.runs=runs",
        ],
        folder,
    )
    (trained,) = (folder / "runs").glob("*_judge/metrics.json")
    run(["evaluate", f"ckpt={trained.parent}"], folder)
    references = json.loads(trained.read_text())["test"]["references"]
    return {
        "asked in the dry run": dry,
        "answered by the server, preflight included": bought,
        "asked again by a repeated command": again,
        "votes in the table": votes.num_rows,
        "seconds": round(seconds, 1),
        "planted order term": ORDER_TERM,
        "estimated order term": round(summary.b, 3),
        "low": round(summary.low, 3),
        "high": round(summary.high, 3),
        "bias index": round(summary.bias.bias_index, 3),
        **{
            f"accuracy against {found['name']}": round(found["accuracy"]["value"], 3)
            for found in references
        },
    }


def main() -> None:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", default="*.jpg", help="which photographs, by name")
    parser.add_argument("--pairs-per-image", type=int, default=6)
    parser.add_argument("--out", type=Path, help="folder to keep; a temporary one otherwise")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = whole_run(folder, given.images, given.pairs_per_image)
    print(SENTENCE)
    for name, value in figures.items():
        print(f"{name:44} {value}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
