"""Images per second, share of the card's limit and peak memory: extraction and fine-tuning.

    python benchmarks/throughput.py [--models clip_vit_b32 clip_vit_l14] [--out FILE.json]
        [--modes extract last_blocks lora full] [--batch 64 256] [--images 4096] [--small]
        [--peak bfloat16=989 float32=67]

Models and modes are options of ``conf/model``; weights are random. Asked, for each of them:

- *network*: the library's forward pass (``data.encoding.lanes``) on pictures that were decoded
  before; float32, as the feature cache has it.
- *files*: ``decode_all`` and ``encode_all`` on generated JPEG files, half 640 x 480, half
  320 x 240: read, hash, decode, resize, and the same network. *decode* is that without a network.
- *last_blocks*, *lora*, *full*: steps of the PreferenceLearner in Lightning's Trainer with AdamW,
  on batches of distinct images in page-locked memory; bf16-mixed on a GPU, float32 on a CPU.
  *transfer* is the part of a step that copying such a batch to the card takes alone.

Share of the limit: operations of the model for one image (counted: forward, and backward where
there is one) times images, by the time, by the rate of a large matrix product in the same number
format, measured before each round; --peak adds the share of a data sheet's TFLOP/s. On a CPU both
are taken by processor time, since cores may be shared; set OMP_NUM_THREADS=1 there, because threads
that wait for each other count as busy. Medians over rounds. Memory is the peak of torch's allocator
on the card; on a CPU that of the process, less what it had before any model. No bar: the shares say
how far the limit is. Without CUDA, or with --small, everything is small: two to three minutes of
one core.

tiny: --small --models clip_vit_b32 --modes extract --images 2 --batch 2 --rounds 1
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import lightning as L
import torch
from feature_extraction import cycle, distinct, synthetic_jpegs
from hydra.utils import instantiate
from measuring.limits import NAN, Machine, Spent, gflop_per_image
from omegaconf import OmegaConf
from torch.optim import AdamW

from interestingness.assembly.fitting import quiet_lightning
from interestingness.data.batch import PairBatch
from interestingness.data.encoding import Picture, decode_all, encode_all, lanes
from interestingness.data.loader import EpochLoader
from interestingness.learning.learner import PreferenceLearner
from interestingness.models.backbone import Backbone
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.models.tuning import tune

CONF = Path(__file__).resolve().parents[1] / "conf" / "model"
TUNINGS = ("last_blocks", "lora", "full")


@dataclass
class Arm:
    """One line of the table; by round: images/s, share of the limit, TFLOP/s of the product."""

    model: str
    what: str
    precision: str
    batch: int
    gflop: float = NAN
    rates: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    memory_gb: float = NAN
    transfer: float = NAN

    def add(self, images: int, spent: Spent, product: Spent) -> None:
        """One round."""
        self.rates.append(images / spent.seconds)
        self.peaks.append(product.tflop / product.seconds)
        if self.gflop == self.gflop:
            tflops = images * self.gflop / 1e3 / spent.busy
            self.shares.append(tflops / (product.tflop / product.busy))

    def shown(self, given: dict[str, float]) -> dict[str, float]:
        """Medians: images/s, TFLOP/s, share of the measured and of a given limit."""
        if not self.rates:
            return {}
        rate = statistics.median(self.rates)
        return {
            "images_per_s": rate,
            "tflops": rate * self.gflop / 1e3,
            "of_measured": statistics.median(self.shares or [NAN]),
            "of_given": rate * self.gflop / 1e3 / given.get(self.precision, NAN),
        }


def build(model: str) -> Backbone:
    """A backbone of the config with random weights."""
    options = OmegaConf.load(CONF / "backbone" / f"{model}.yaml")
    backbone: Backbone = instantiate(OmegaConf.merge(options, {"weights": "random:0"}))
    return backbone


def extract(
    model: str, backbone: Backbone, files: list[Path], batch: int, rounds: int, machine: Machine
) -> list[Arm]:
    """The three arms of extraction in turn; the first round is thrown away."""
    pictures = [*map(Picture.file, files)]
    decode = partial(decode_all, transform=backbone.transform, ahead=2 * batch)
    pixels = torch.stack([image.pixels for image in decode(pictures) if image.pixels is not None])
    size, device = backbone.contract.image_size, machine.device

    def network() -> None:
        with lanes(backbone, batch, device) as forward:
            for part in pixels.split(batch):
                forward(part)

    def from_files() -> None:
        done = encode_all(decode(pictures), backbone, batch_size=batch, device=device)
        assert sum(len(keys) for keys, _ in done) == len(files)

    def decoding() -> None:
        assert sum(image.pixels is not None for image in decode(pictures)) == len(files)

    gflop = gflop_per_image(backbone, size, backward=False)
    runs = {"network": network, "files": from_files, "decode": decoding}
    arms = [Arm(model, name, "float32", batch, gflop) for name in runs]
    arms[-1].gflop = NAN
    backbone.to(device)
    for turn in range(rounds + 1):
        for arm, run in zip(arms, runs.values(), strict=True):
            product = machine.product("float32")
            if not turn:
                machine.forget()
            began = machine.start()
            run()
            spent = machine.since(began)
            if turn:
                arm.add(len(files), spent, product)
            elif run is not decoding:
                arm.memory_gb = machine.peak()
    backbone.to("cpu")
    return arms


class Laps(L.Callback):
    """Images per second of some steps at a time, and the matrix product's rate before them."""

    def __init__(self, arm: Arm, steps: int, machine: Machine) -> None:
        self.arm, self.steps, self.machine = arm, steps, machine
        self.lap: tuple[Spent, tuple[float, float]] | None = None

    def on_train_batch_end(self, *given: object) -> None:
        """Between laps; the first lap is thrown away."""
        index = given[-1]
        assert isinstance(index, int)
        if (index + 1) % self.steps:
            return
        if self.lap is None:
            self.arm.memory_gb = self.machine.peak()
        else:
            product, began = self.lap
            self.arm.add(self.steps * self.arm.batch, self.machine.since(began), product)
        self.lap = self.machine.product(self.arm.precision), self.machine.start()


def one_batch(images: int, size: int) -> PairBatch:
    """Random pictures, each in two pairs."""
    left = torch.arange(images)
    return PairBatch(
        images=torch.randn(images, 3, size, size),
        left=left,
        right=(left + 1) % images,
        preference=torch.rand(images),
        weight=torch.ones(images),
        row=left,
        normalizer=torch.tensor(float(images)),
    )


def finetune(
    model: str, backbone: Backbone, mode: str, batch: int, rounds: int, steps: int, machine: Machine
) -> Arm:
    """Steps of one fit, in laps."""
    arm = Arm(model, mode, "bfloat16" if machine.cuda else "float32", batch)
    size, laps = backbone.contract.image_size, rounds + 1
    backbone.train()
    arm.gflop = gflop_per_image(backbone, size, backward=True)
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), LinearHead(backbone.dim))
    data = one_batch(batch, size)
    if machine.cuda:
        data = data.pin_memory()
    machine.forget()

    def batches(epoch: int, start: int) -> Iterator[PairBatch]:
        yield from [data] * (laps * steps)

    trainer = L.Trainer(
        max_epochs=1,
        accelerator="gpu" if machine.cuda else "cpu",
        devices=1,
        precision="bf16-mixed" if machine.cuda else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Laps(arm, steps, machine)],
    )
    learner = PreferenceLearner(scorer, optimizer=lambda p: AdamW(p, lr=1e-6))
    try:
        trainer.fit(learner, EpochLoader(batches, laps * steps))
    except torch.OutOfMemoryError:
        arm.rates = []
    backbone.zero_grad()
    if machine.cuda and arm.rates:
        copies = []
        for _ in range(5):
            began = machine.start()
            data.to("cuda")
            copies.append(machine.since(began).seconds)
        arm.transfer = statistics.median(copies) * statistics.median(arm.rates) / batch
    return arm


def line(arm: Arm, given: dict[str, float]) -> str:
    """One row for people."""
    head = f"{arm.model:14s} {arm.what:12s} {arm.precision:9s} {arm.batch:5d} "
    shown = arm.shown(given)
    if not shown:
        return f"{head} out of memory"

    def cell(value: float, form: str) -> str:
        return "–".rjust(int(form.split(".")[0])) if value != value else f"{value:{form}}"

    cells = [(shown["images_per_s"], "9.2f"), (arm.gflop, "9.2f"), (shown["tflops"], "8.3f")]
    cells += [(shown["of_measured"], "10.1%"), (shown["of_given"], "8.1%")]
    cells += [(arm.transfer, "9.1%"), (arm.memory_gb, "9.2f")]
    return head + " ".join(cell(value, form) for value, form in cells)


def measure(
    model: str, options: argparse.Namespace, machine: Machine, folder: Path
) -> Iterator[Arm]:
    """All lines of one model."""
    backbone, small = build(model), options.small
    gflop = gflop_per_image(backbone, backbone.contract.image_size, backward=False)
    rounds = options.rounds or ((1 if gflop > 100 else 2) if small else 3)
    for mode in options.modes:
        if mode == "extract":
            count = options.images or affordable(gflop, 150 if small else 170_000, 4096)
            made = synthetic_jpegs(folder / "made", min(count, 64))
            files = distinct(cycle(made, count), folder / "files")
            backbone.freeze()
            for batch in options.batch or ([16] if small else [64, 256]):
                yield from extract(model, backbone, files, min(batch, count), rounds, machine)
            continue
        tune(backbone, instantiate(OmegaConf.load(CONF / "tuning" / f"{mode}.yaml")))
        for batch in options.batch or ([affordable(gflop, 100, 8)] if small else [64, 256]):
            yield finetune(model, backbone, mode, batch, rounds, 1 if small else 5, machine)
        if mode == "lora":
            backbone = build(model)  # without the updates


def affordable(gflop: float, budget: float, most: int) -> int:
    """Images for so many GFLOP, 2 at least."""
    return max(2, min(most, int(budget / gflop)))


def main() -> None:
    """Measure and print, one line at a time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    modes = ("extract", *TUNINGS)
    parser.add_argument("--models", nargs="+", default=["clip_vit_b32", "clip_vit_l14"])
    parser.add_argument("--modes", nargs="+", default=modes, choices=modes)
    parser.add_argument("--batch", nargs="+", type=int, help="images of a batch")
    parser.add_argument("--images", type=int, help="files to extract features from")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--peak", nargs="+", default=[], metavar="FORMAT=TFLOPS")
    parser.add_argument("--small", action="store_true", help="the default without CUDA")
    parser.add_argument("--out", type=Path, help="write the figures there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    quiet_lightning()
    machine = Machine()
    options.small |= not machine.cuda
    given = {key: float(value) for key, _, value in (w.partition("=") for w in options.peak)}
    arms: list[Arm] = []
    print(f"{machine.name()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'model':14s} {'what':12s} {'format':9s} batch  images/s  GF/image     TF/s", end=" ")
    print("of product of sheet  transfer    mem GB", flush=True)
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            for arm in measure(model, options, machine, Path(folder)):
                arms.append(arm)
                print(line(arm, given), flush=True)
    if options.out:
        about = {"hardware": machine.name(), "torch": torch.__version__, "command": sys.argv}
        about["date"] = datetime.now(UTC).isoformat(timespec="seconds")
        found = [asdict(arm) | arm.shown(given) for arm in arms]
        rows = [{key: None if v != v else v for key, v in row.items()} for row in found]
        options.out.write_text(json.dumps({**about, "sheet": given, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
