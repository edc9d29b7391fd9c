"""Where a training step's time goes, and whether it ever waits for data.

    OMP_NUM_THREADS=1 python benchmarks/loading_profile.py [--workers 0 1 2] [--rounds 2]
        [--cases scenes photographs ...] [--steps 20] [--overrides model/tuning=full]

The library's own assembly (``build_model``) and Lightning's Trainer with a profiler: *wait* is the
time until the next batch is handed over (of it, the epoch's *first* batch with the start of the
workers), then transfer to the device, forward, backward, optimiser, and the rest of the loop. Three
arms take turns: training; the loader alone, without a model; the network alone, the same batches
from memory. Medians over rounds of whole epochs, or of --steps. ``--overrides data.reduce=false``
decodes every JPEG in full, as it was before.

Bar: loader alone / network alone above 1, else data is the bottleneck whatever overlaps. Loader
alone / training is above 1 by itself where nothing overlaps (no workers), so it proves little;
*wait* says what loading costs. Then the parts of one image's way, in one thread.

Cases: the simulated scenes (128 px) with the small CLIP of the package; OASIS photographs with the
small ViT of finetuning_step.py (64 px), stored whole and with ``max_side=128``, and with ViT-B/32;
cached features of both. These photographs are thumbnails of 320 x 256; larger ones take longer to
decode and as long for all else. They are in the folder that the environment names, OASIS=FOLDER
(images/, ratings.csv), and are left out where it is absent; all that is written goes to a temporary
folder.

tiny: --cases scenes --rounds 1 --workers 0 --steps 1 --overrides dataset.images=60
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import torch
from finetuning_step import architecture
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.profilers import SimpleProfiler
from omegaconf import DictConfig

from interestingness.assembly.fitting import quiet_lightning
from interestingness.assembly.model import build_model
from interestingness.assembly.parts import Model
from interestingness.assembly.prepare import RunTables, prepare
from interestingness.assembly.shards import shards_root
from interestingness.cli import conf_folder
from interestingness.data.augmentation import enough_for, random_of
from interestingness.data.batch import PairBatch
from interestingness.data.images import decode_image
from interestingness.data.loader import EpochLoader
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.writer import write_shards
from interestingness.learning.learner import PreferenceLearner
from interestingness.runs.team import ALONE

OASIS = Path(os.environ.get("OASIS", "oasis")).absolute()
PHOTOGRAPHS = [
    "dataset=folder",
    f"dataset.images={OASIS}/images",
    f"dataset.scores={OASIS}/ratings.csv",
    "dataset.image_key=item",
    "dataset.on_missing=skip",
    "label_source=scores",
    "label_source.column=beauty_mean",
    "question=beautiful",
]
NAMES = ("wait", "first", "transfer", "forward", "backward", "optimiser", "rest")


@dataclass(frozen=True)
class Case:
    """What is trained on; ``most`` bounds the steps, ``max_side`` the pictures in the shards."""

    overrides: tuple[str, ...]
    shards: bool = True
    most: int = 1000
    max_side: int | None = None


def cases() -> dict[str, Case]:
    """All that there are."""
    small = [
        "model/backbone=clip_vit_b32",
        f"model.backbone.architecture={architecture()}",
        "model.backbone.pretrained=null",
        "model.backbone.weights=random:0",
    ]
    large = ["model/backbone=clip_vit_b32", "model.backbone.weights=random:0"]
    tuned = "model=finetuned_clip"
    size, most = (64, 1000) if torch.cuda.is_available() else (8, 4)
    return {
        "scenes": Case((tuned,)),
        "photographs": Case((*PHOTOGRAPHS, tuned, *small)),
        "photographs-128": Case((*PHOTOGRAPHS, tuned, *small), max_side=128),
        "photographs-B/32": Case(
            (*PHOTOGRAPHS, tuned, *large, f"data.batch_size={size}"), most=most
        ),
        "features": Case((), shards=False),
        "photo-features": Case((*PHOTOGRAPHS, *small), shards=False),
    }


class Watch(SimpleProfiler):
    """Seconds of each part of a fit, once the device has done its work."""

    def start(self, action_name: str) -> None:
        """Of one part."""
        _settled()
        super().start(action_name)

    def stop(self, action_name: str) -> None:
        """Of one part."""
        _settled()
        super().stop(action_name)

    def parts(self, steps: int) -> dict[str, float]:
        """Milliseconds a step; ``first`` is those of the first batch alone."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for action, seconds in self.recorded_durations.items():
            found[action.rpartition(".")[2]] += seconds
        total = {name: sum(seconds) for name, seconds in found.items()}
        inside = total["training_step"] + total["backward"]
        known = total["train_dataloader_next"] + total["batch_to_device"]
        spent = {
            "wait": total["train_dataloader_next"],
            "transfer": total["batch_to_device"],
            "forward": total["training_step"],
            "backward": total["backward"],
            "optimiser": total["run_training_batch"] - inside,
            "rest": total["run_training_epoch"] - known - total["run_training_batch"],
            "all": total["run_training_epoch"],
        }
        first = {"first": 1e3 * found["train_dataloader_next"][0]}
        return {name: 1e3 * seconds / steps for name, seconds in spent.items()} | first


def _settled() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def composed(case: Case, folder: Path, workers: int, more: list[str]) -> DictConfig:
    """The config of ``python train.py`` with these options."""
    places = [f"paths.cache={folder}/cache", f"paths.run={folder}/run", f"data.workers={workers}"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name="train"):
        tuning = more if case.shards else []
        return compose("train", [*case.overrides, *places, *tuning])


def built(cfg: DictConfig, case: Case, folder: Path) -> tuple[RunTables, Model]:
    """Data set, shards or features, and model."""
    prepared = prepare(cfg)
    if case.max_side:
        root = folder / f"shards-{case.max_side}"
        write_shards(prepared.tables, root, pairs_per_shard=512, max_side=case.max_side)
        cfg.data.shards = str(root)
    return prepared, build_model(cfg, prepared, ALONE)


def trained(cfg: DictConfig, model: Model, data: Any, steps: int) -> dict[str, float]:
    """One epoch, or some steps of it."""
    watch = Watch()
    options = {"max_epochs": 1, "limit_train_batches": steps, "limit_val_batches": 0}
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer: L.Trainer = instantiate(cfg.trainer, profiler=watch, **options, **quiet)
    learner = PreferenceLearner(
        model.scorer,
        optimizer=instantiate(cfg.optimizer),
        scheduler=instantiate(cfg.scheduler) if cfg.scheduler.get("_target_") else None,
        groups=instantiate(cfg.model.groups) if cfg.model.get("groups") else None,
        loss=instantiate(cfg.loss),
        l2=model.l2,
    )
    trainer.fit(learner, data)
    return watch.parts(steps)


def alone(loader: EpochLoader, epoch: int, steps: int) -> float:
    """Milliseconds a batch of the loader without a model, the start of its workers included."""
    loader.set_epoch(epoch)
    began = time.perf_counter()
    count = sum(1 for _ in islice(loader, steps))
    assert count == steps
    return 1e3 * (time.perf_counter() - began) / steps


def profile(cfg: DictConfig, model: Model, rounds: int, most: int) -> dict[str, float]:
    """Three arms in turn; medians over rounds of parts, rates and ratios."""
    loader = model.data.train_dataloader()
    assert isinstance(loader, EpochLoader)
    steps = min(len(loader), most)
    held: list[PairBatch] = list(islice(loader, steps))
    memory = EpochLoader(lambda epoch, start: iter(held), steps)
    rows = []
    for turn in range(rounds + 1):
        row: dict[str, float] = {}
        arms: list[Callable[[], None]] = [
            lambda row=row: row.update(trained(cfg, model, model.data, steps)),
            lambda row=row, turn=turn: row.update(loader=alone(loader, turn, steps)),
            lambda row=row: row.update(network=trained(cfg, model, memory, steps)["all"]),
        ]
        for arm in arms if turn % 2 else reversed(arms):
            arm()
        row["waiting"] = row["wait"] / row["all"]
        row["loader / training"] = row["all"] / row["loader"]
        row["loader / network"] = row["network"] / row["loader"]
        if turn:  # the first round warms caches and imports
            rows.append(row)
    found = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    found["least"] = min(row["loader / network"] for row in rows)
    found["most"] = max(row["loader / network"] for row in rows)
    images = statistics.mean(len(batch.images) for batch in held)
    pairs = statistics.mean(len(batch.left) for batch in held)
    return found | {"steps": steps, "images": images, "pairs": pairs}


def way_of_an_image(cfg: DictConfig, prepared: RunTables, model: Model) -> dict[str, float]:
    """Milliseconds of the stream's work for one image in one thread, medians of 100."""
    shards = PairShards(shards_root(cfg, prepared))
    assert shards.local is not None
    assert model.backbone is not None
    transform, augment = model.backbone.transform, instantiate(cfg.model.augment)
    enough = enough_for(augment, transform.short)
    spent: defaultdict[str, list[float]] = defaultdict(list)

    def timed(part: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = work()
        spent[part].append(1e3 * (time.perf_counter() - began))
        return found

    def images() -> Iterator[tuple[str, bytes]]:
        for row in range(len(shards)):
            raw = timed("read", lambda row=row: shards.local.fetch([row]))
            spent["read"][-1] /= len(raw.images)
            yield from raw.images.items()

    done = []
    for name, data in islice(images(), 100):
        whole = timed("decode in full", lambda data=data: decode_image(data, where=""))
        picture = timed("decode", lambda d=data: decode_image(d, where="", enough=enough))
        exact = timed("resize in full", lambda w=whole: transform.pixels(w))
        change = transform.pixels(picture).float() - exact.float()
        spent["levels of 255 changed"].append(float(change.abs().mean()))
        random = random_of(0, 0, name)
        view = timed("augment", lambda p=picture, r=random: augment.view(p, r))
        pixels = timed("resize", lambda v=view: transform.pixels(v))
        done.append(timed("normalise", lambda p=pixels: transform.normalise(p[None])[0]))
        spent["kB stored"].append(len(data) / 1e3)
        spent["kB for the network"].append(done[-1].nbytes / 1e3)
    began = time.perf_counter()
    torch.stack(done)
    spent["stack"].append(1e3 * (time.perf_counter() - began) / len(done))
    return {part: statistics.median(found) for part, found in spent.items()}


def main() -> None:
    """Measure each case and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=list(cases()), default=list(cases()))
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1000, help="at most; an epoch has fewer")
    parser.add_argument("--overrides", nargs="+", default=[], help="options for data=shards")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    quiet_lightning()
    print(f"{torch.get_num_threads()} threads for the network; milliseconds a step")
    for name in options.cases:
        case = cases()[name]
        if "dataset=folder" in case.overrides and not OASIS.is_dir():
            print(f"\n{name}: left out, {OASIS} is absent")
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for at, workers in enumerate(options.workers if case.shards else [0]):
                cfg = composed(case, folder, workers, options.overrides)
                prepared, model = built(cfg, case, folder)
                found = profile(cfg, model, options.rounds, min(case.most, options.steps))
                if not at:
                    print(
                        f"\n{name}: {found['steps']} steps of {found['pairs']:.0f} pairs, "
                        f"{found['images']:.0f} images\nworkers "
                        + " ".join(f"{part:>9s}" for part in (*NAMES, "all", "waiting"))
                        + "   loader  network  loader / training, / network (rounds)"
                    )
                print(
                    f"{workers if case.shards else '–':>7} "
                    + " ".join(f"{found[part]:9.2f}" for part in (*NAMES, "all"))
                    + f" {found['waiting']:9.1%} {found['loader']:8.2f} {found['network']:8.2f}"
                    + f" {found['loader / training']:9.2f} {found['loader / network']:11.2f} "
                    + f"({found['least']:.2f}–{found['most']:.2f}) "
                    + ("" if found["loader / network"] > 1 else "DATA IS THE BOTTLENECK"),
                    flush=True,
                )
            if case.shards:
                for part, value in way_of_an_image(cfg, prepared, model).items():
                    print(f"    {part:28s} {value:8.3f}")


if __name__ == "__main__":
    main()
