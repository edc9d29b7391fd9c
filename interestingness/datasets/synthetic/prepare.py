"""Make the synthetic data set once: one process writes it atomically, others wait."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from interestingness.datasets.preparing import Progress, prepare_once
from interestingness.datasets.synthetic.graph import check_regular
from interestingness.errors import DataError
from interestingness.tables.tables import Manifest, Tables

GENERATOR_VERSION = 1
"""Raised whenever the same settings would give other pictures or other votes."""
JPEG_QUALITY = 92
SMALLEST, LARGEST = 16, 1024


def prepare_synthetic(
    root: str | Path,
    *,
    images: int,
    degree: int,
    seed: int,
    image_size: int,
    progress: Progress | None = None,
) -> Tables:
    """Open the synthetic data set in a folder; generate it if it is absent.

    Safe to call from several processes at once: one generates under a lock, the others wait. The
    folder appears by one rename; the next call removes files of a killed writer.

    Args:
        root: the data set's own folder; must not hold anything else.
        images: number of pictures.
        degree: pairs of each picture; ``images * degree`` must be even.
        seed: of scenes, pairs and votes, 0 or more.
        image_size: side of the square pictures in pixels.
        progress: called with (pictures done, pictures in all) from time to time.

    Returns:
        Tables images, pairs, votes, judgments and scores.

    Raises:
        DataError: impossible settings, or a folder that holds something else or was made with
            other settings.
    """
    root = Path(root).expanduser().absolute()
    _check(images, degree, seed, image_size)
    facts = {
        "images": images, "degree": degree, "seed": seed, "image_size": image_size,
        "generator_version": GENERATOR_VERSION,
    }  # fmt: skip
    if root.exists() and not (root / "dataset.json").is_file() and any(root.iterdir()):
        # Ours appear by a rename, so an unfinished one never has this name.
        raise DataError(
            f"{root}: holds files, but no dataset.json",
            expected="an empty or absent folder for the synthetic data set",
            todo="name another folder, or remove this one",
        )

    def build(folder: Path) -> tuple[Manifest, Mapping[str, pa.Table]]:
        return _generate(folder, facts, progress)

    tables = prepare_once(root.parent, root.name, build)
    found = {key: tables.manifest.facts.get(key) for key in facts}
    if found != facts:
        other = [
            f"{key} {found[key]} instead of {facts[key]}"
            for key in facts
            if found[key] != facts[key]
        ]
        raise DataError(
            f"{root}: a data set made with {', '.join(other)}",
            expected="the settings that are asked for now",
            todo="name another folder, or remove this one to make it anew",
        )
    return tables


def _check(images: int, degree: int, seed: int, image_size: int) -> None:
    if seed < 0:
        raise DataError(f"seed {seed}", expected="0 or more", todo="change dataset.seed")
    if not SMALLEST <= image_size <= LARGEST:
        raise DataError(
            f"image_size {image_size}",
            expected=f"from {SMALLEST} to {LARGEST} pixels",
            todo="change dataset.image_size",
        )
    check_regular(images, degree)


def _generate(
    folder: Path, facts: dict[str, Any], progress: Progress | None
) -> tuple[Manifest, dict[str, pa.Table]]:
    # A data set that was made before needs none of these.
    from interestingness.datasets.synthetic.draw import draw
    from interestingness.datasets.synthetic.scenes import synthetic_scenes
    from interestingness.datasets.synthetic.simulate import SIMULATION, image_id, simulated_tables

    images, seed = facts["images"], facts["seed"]
    tables = simulated_tables(images, facts["degree"], seed)
    (folder / "images").mkdir(parents=True)
    paths, hashes = [], []
    for index, scene in enumerate(synthetic_scenes(seed, images)):
        buffer = io.BytesIO()
        draw(scene, size=facts["image_size"]).save(buffer, "JPEG", quality=JPEG_QUALITY)
        path = f"images/{image_id(index)}.jpg"
        (folder / path).write_bytes(buffer.getvalue())
        paths.append(path)
        hashes.append(hashlib.sha256(buffer.getvalue()).hexdigest())
        if progress is not None and ((index + 1) % 50 == 0 or index + 1 == images):
            progress(index + 1, images)
    table = tables["images"]
    for name, values in (("path", paths), ("sha256", hashes)):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    manifest = Manifest("synthetic", "synthetic", simulated=SIMULATION, facts=facts)
    return manifest, {**tables, "images": table}
