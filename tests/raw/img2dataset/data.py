"""Tar files as img2dataset writes them (WebDataset). SYNTHETIC: coloured rectangles.

python tests/raw/img2dataset/data.py FOLDER
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

from PIL import Image


def write(root: Path, *, shards: int = 2, images: int = 3) -> Path:
    """Write ``00000.tar`` … and their statistics below ``root`` and return it."""
    root.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        with tarfile.open(root / f"{shard:05d}.tar", "w") as archive:
            for k in range(images):
                key = f"{shard:05d}{k:04d}"
                stream = io.BytesIO()
                Image.new("RGB", (20 + k, 10), (60 * shard, 70 * k, 90)).save(stream, format="JPEG")
                about = {"key": key, "url": f"https://example.org/{key}", "status": "success"}
                _add(archive, f"{key}.jpg", stream.getvalue())
                _add(archive, f"{key}.json", json.dumps(about).encode())
                _add(archive, f"{key}.txt", b"a caption")
        stats = {"count": images + 1, "successes": images, "failed_to_download": 1}
        (root / f"{shard:05d}_stats.json").write_text(json.dumps(stats))
    return root


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
