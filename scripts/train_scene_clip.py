"""Train the small CLIP of ``interestingness/models/scene_clip`` on freshly generated scenes.

    python scripts/train_scene_clip.py --scenes 400000 --minutes 5 --workers 16     # a GPU
    python scripts/train_scene_clip.py --scenes 60000 --minutes 50 --batch 256      # two cores

Pictures are drawn near their captions (open_clip's loss), and linear heads on the features of
pictures read every attribute of the scene, which the generator knows; the heads are not kept.
Scenes come from seeds that no data set uses by default. Needs torch, open_clip, safetensors, numpy
and Pillow; runs from a checkout with ``PYTHONPATH=.``.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from interestingness.datasets.synthetic.draw import draw
from interestingness.datasets.synthetic.scenes import (
    BACKGROUNDS,
    POPULATION,
    SKY_BY_LIGHT,
    SUBJECTS,
    scene,
    synthetic_scenes,
)
from interestingness.datasets.synthetic.tastes import TRUTH
from interestingness.datasets.synthetic.words import caption, description, subject_words
from interestingness.models.scene_clip import CONFIG, MODEL_NAME, WEIGHTS

TRAIN_SEED, HELD_OUT_SEED = 900_000_001, 900_000_002
LARGEST_FILE = 8_000_000
CHUNK = 250
SIDE = 64
PLAIN_CAPTIONS, DESCRIPTIONS = 0.55, 0.15
"""Shares of full captions and of descriptions; the rest names the subject alone."""

ATTRIBUTES = (
    "subject", "background", "light", "sky", "count", "palette", "colour", "position", "size",
    "clutter",
)  # fmt: skip
HELD = ("background", "light", "sky", "palette", "colour", "subject")
"""Attributes that a batch may have in common. Background and light alone tell most pictures of a
random batch apart, and nothing else would be learnt for long."""
MOST_HELD = 3


@dataclass(frozen=True)
class Rendered:
    """Pictures, captions and attributes.

    Attributes:
        images: uint8, shape (scenes, 64, 64, 3).
        tokens: ids, shape (scenes, 32).
        codes: number of each value of ``ATTRIBUTES``, shape (scenes, attributes).
    """

    images: Tensor
    tokens: Tensor
    codes: NDArray[np.int32]


def render_chunk(
    seed: int, start: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Some scenes as the data set would show them to a model, with a caption each."""
    tokenizer = open_clip.get_tokenizer(_registered())
    images = np.empty((count, SIDE, SIDE, 3), dtype=np.uint8)
    codes = np.empty((count, len(ATTRIBUTES)), dtype=np.int32)
    texts = []
    for row, one in enumerate(synthetic_scenes(seed, count, start=start)):
        picture = draw(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        images[row] = np.asarray(picture)
        codes[row] = [values_of(name).index(one.value(name)) for name in ATTRIBUTES]
        u = np.random.default_rng((one.variation, 7)).random()
        if seed == HELD_OUT_SEED or u < PLAIN_CAPTIONS:
            texts.append(caption(one))
        else:
            short = u >= PLAIN_CAPTIONS + DESCRIPTIONS
            texts.append(subject_words(one) if short else description(one))
    return images, tokenizer(texts).numpy().astype(np.int32), codes


def values_of(attribute: str) -> tuple[str, ...]:
    """All values of an attribute, in a fixed order."""
    if attribute == "sky":
        return tuple(sorted({value for shares in SKY_BY_LIGHT.values() for value in shares}))
    whole = {"subject": SUBJECTS, "background": BACKGROUNDS}
    return whole.get(attribute) or tuple(POPULATION[attribute])


def render(seed: int, count: int, workers: int, first: int = 0) -> Rendered:
    """Scenes ``first`` to ``first + count - 1`` of a seed, drawn by several processes."""
    starts = list(range(0, count, CHUNK))
    sizes = [min(CHUNK, count - start) for start in starts]
    images = np.empty((count, SIDE, SIDE, 3), dtype=np.uint8)
    tokens = np.empty((count, 32), dtype=np.int32)
    codes = np.empty((count, len(ATTRIBUTES)), dtype=np.int32)
    begun = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        done = pool.map(render_chunk, [seed] * len(starts), [first + s for s in starts], sizes)
        for number, (start, found) in enumerate(zip(starts, done, strict=True), 1):
            part = slice(start, start + len(found[0]))
            images[part], tokens[part], codes[part] = found
            if number % max(1, len(starts) // 10) == 0:
                spent = time.monotonic() - begun
                print(f"rendered {part.stop}/{count} in {spent:.0f} s", flush=True)
    return Rendered(torch.from_numpy(images), torch.from_numpy(tokens).long(), codes)


def _registered() -> str:
    if MODEL_NAME not in open_clip.list_models():
        open_clip.add_model_config(CONFIG)
    return MODEL_NAME


def normalised(images: Tensor) -> Tensor:
    """uint8 pictures as open_clip's own preprocessing gives them, shape (B, 3, 64, 64)."""
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN, device=images.device)
    deviation = torch.tensor(open_clip.OPENAI_DATASET_STD, device=images.device)
    return ((images.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)


def batches(
    codes: NDArray[np.int32], size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Row numbers of one epoch, whole batches only, in random order.

    Each epoch chooses up to three attributes of ``HELD``; the scenes of a batch mostly share their
    values, so that the contrast has to come from the others.
    """
    names = rng.choice(HELD, int(rng.integers(MOST_HELD + 1)), replace=False)
    held = [ATTRIBUTES.index(name) for name in names]
    # Sorted by the held attributes, at random among equals.
    order = np.lexsort((rng.random(len(codes)), *codes[:, held].T))
    order = np.roll(order, int(rng.integers(size)))
    starts = np.arange(0, len(codes) - size + 1, size)
    for start in rng.permutation(starts):
        yield order[start : start + size]


def optimizer_for(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW; no decay on vectors, scalars and embeddings."""
    decayed, plain = [], []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim >= 2 and "embedding" not in name
        (decayed if matrix else plain).append(parameter)
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def train(model: nn.Module, data: Rendered, given: argparse.Namespace, device: str) -> None:
    """Train until the epochs or the minutes are over."""
    images, tokens = data.images.to(device), data.tokens.to(device)
    codes = torch.from_numpy(data.codes).long().to(device)
    loss_of = open_clip.ClipLoss()
    sizes = [len(values_of(name)) for name in ATTRIBUTES]
    heads = nn.Linear(model.visual.output_dim, sum(sizes)).to(device)
    optimizer = optimizer_for(nn.ModuleList([model, heads]), given.rate)
    rng = np.random.default_rng(given.seed)
    total = given.epochs * (len(images) // given.batch)
    begun = saved = time.monotonic()
    step, gone = 0, 0.0
    model.train()
    for epoch in range(given.epochs):
        for rows in batches(data.codes, given.batch, rng):
            gone = max(step / total, (time.monotonic() - begun) / (60 * given.minutes))
            if gone >= 1:
                return
            warm = min(1.0, gone / 0.04 + 1e-3)
            for group in optimizer.param_groups:
                group["lr"] = given.rate * warm * (0.5 + 0.5 * math.cos(math.pi * gone))
            at = torch.from_numpy(rows).to(device)
            with torch.autocast(device, torch.bfloat16):
                feature = model.encode_image(normalised(images[at])).float()
                text = model.encode_text(tokens[at], normalize=True).float()
            contrast = loss_of(
                nn.functional.normalize(feature, dim=-1), text, model.logit_scale.exp()
            )
            read = heads(feature).split(sizes, dim=1)
            wrong = [
                nn.functional.cross_entropy(logits, codes[at, k]) for k, logits in enumerate(read)
            ]
            loss = given.contrast * contrast + torch.stack(wrong).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(100))
            if step % given.every == 0:
                spent = time.monotonic() - begun
                print(
                    f"epoch {epoch} step {step}/{total} ({100 * gone:.0f} %), {spent:.0f} s, "
                    f"loss {contrast.item():.3f} and "
                    + " ".join(
                        f"{n} {w.item():.2f}" for n, w in zip(ATTRIBUTES, wrong, strict=True)
                    ),
                    flush=True,
                )
            if time.monotonic() - saved > 60:
                save(model, given.out, given)
                saved = time.monotonic()
            step += 1


def save(model: nn.Module, path: Path, given: argparse.Namespace) -> None:
    """Half precision, one rename, never above the size that the package allows."""
    state = {name: value.detach().half().cpu() for name, value in model.state_dict().items()}
    state = {name: value.contiguous() for name, value in state.items()}
    facts = {"format": "pt", "scenes": str(given.scenes), "minutes": str(given.minutes),
             "batch": str(given.batch), "seed": str(given.seed), "attributes": "true"}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    save_file(state, partial, metadata=facts)
    size = partial.stat().st_size
    if size > LARGEST_FILE:
        raise SystemExit(f"{size} bytes, more than {LARGEST_FILE}: narrow the towers in {CONFIG}")
    partial.chmod(0o644)
    partial.replace(path)


@torch.no_grad()
def embed(model: nn.Module, data: Rendered, device: str) -> tuple[Tensor, Tensor]:
    """Un-normalised image features and normalised text features, on the CPU."""
    model.eval()
    images, texts = [], []
    for start in range(0, len(data.images), 500):
        part = slice(start, start + 500)
        images.append(model.encode_image(normalised(data.images[part].to(device))).float().cpu())
        found = model.encode_text(data.tokens[part].to(device), normalize=True)
        texts.append(found.float().cpu())
    return torch.cat(images), torch.cat(texts)


def pair_accuracy(features: NDArray[np.float64], truth: NDArray[np.float64], train: int) -> float:
    """Held-out pair accuracy on the planted utility of a ridge fitted on the first rows.

    Args:
        features: shape (scenes, dim).
        truth: planted utility, shape (scenes,).
        train: rows to fit on; all pairs of the rest are judged.
    """
    mean, deviation = features[:train].mean(0), features[:train].std(0) + 1e-9
    x = (features - mean) / deviation
    fitted, chosen = x[: train * 4 // 5], x[train * 4 // 5 : train]
    y, level = truth[: train * 4 // 5], truth[:train].mean()

    def weights(x: NDArray[np.float64], y: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.linalg.solve(
            x.T @ x + l2 * np.eye(x.shape[1]), x.T @ (y - level)
        )
        return found

    def error(l2: float) -> float:
        guess = chosen @ weights(fitted, y, l2)
        return float(np.mean((guess + level - truth[train * 4 // 5 : train]) ** 2))

    best = min((10.0**power for power in range(-1, 5)), key=error)
    score = x[train:] @ weights(x[:train], truth[:train], best)
    one, other = np.triu_indices(len(score), 1)
    wanted = truth[train:]
    return float(np.mean((score[one] > score[other]) == (wanted[one] > wanted[other])))


def retrieval(images: Tensor, texts: Tensor) -> float:
    """Share of pictures whose own caption is the nearest of all."""
    nearest = (nn.functional.normalize(images, dim=-1) @ texts.T).argmax(1)
    return float((nearest == torch.arange(len(images))).float().mean())


def report(model: nn.Module, label: str, data: Rendered, device: str) -> None:
    """Held-out figures of one network on one line."""
    count = len(data.images)
    truth = TRUTH.of([scene(HELD_OUT_SEED, i) for i in range(count)])
    images, texts = embed(model, data, device)
    accuracy = pair_accuracy(images.numpy().astype(np.float64), truth, count // 2)
    shown = min(500, count)
    found = retrieval(images[:shown], texts[:shown])
    print(
        f"{label}: held-out pair accuracy on the planted utility {accuracy:.3f} "
        f"(ridge on {count // 2} scenes), caption retrieval {found:.3f} of {shown} "
        f"(chance {1 / shown:.3f})",
        flush=True,
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=400_000)
    parser.add_argument("--held-out", type=int, default=4000, help="scenes to judge by")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, rendering apart")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--contrast", type=float, default=1.0, help="weight of the captions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its choice")
    parser.add_argument("--every", type=int, default=50, help="steps between two lines")
    parser.add_argument("--first", type=int, default=0, help="number of the first scene")
    parser.add_argument("--patch-dropout", type=float, default=0.0, help="share; halves the cost")
    parser.add_argument("--start", type=Path, help="go on from these weights")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.manual_seed(given.seed)
    model = open_clip.create_model(
        _registered(),
        pretrained=str(given.start) if given.start else None,
        force_patch_dropout=given.patch_dropout,
        device=device,
    )
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{size:,} parameters on {device}", flush=True)
    held_out = render(HELD_OUT_SEED, given.held_out, given.workers)
    report(model, "before training" if given.start else "random weights", held_out, device)
    data = render(TRAIN_SEED, given.scenes, given.workers, given.first)
    train(model, data, given, device)
    save(model, given.out, given)
    fresh = open_clip.create_model(_registered(), pretrained=str(given.out), device=device)
    report(fresh, f"{given.out.name}, {given.out.stat().st_size:,} bytes", held_out, device)


if __name__ == "__main__":
    main()
