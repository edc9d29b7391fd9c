"""Peak memory of preparing FlickrUser, for files of two sizes. The files are SYNTHETIC.

python benchmarks/flickr_user_memory.py [ROWS …]

tiny: 500 1000
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = (50_000, 500_000)


def measure(folder: Path) -> None:
    """Prepare in this process and print its peak."""
    from interestingness.datasets.flickr_user import prepare_flickr_user

    before, began = peak(), time.monotonic()
    tables = prepare_flickr_user(
        folder / "cache", definition=folder / "FlickrUser_definition.csv",
        additional=folder / "FlickrUser_additional.csv", download=False,
        paired=20_000, pairs_per_image=5, seed=0,
    )  # fmt: skip
    size = sum(path.stat().st_size for path in folder.glob("*.csv")) / 1e6
    print(
        f"{tables.manifest.facts['rows']:>9,} rows, {size:6.0f} MB of CSV: peak {peak():4.0f} MiB "
        f"({before:.0f} before), {time.monotonic() - began:.1f} s"
    )


def peak() -> float:
    """Peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(sizes: list[int]) -> None:
    """Each size in a process of its own."""
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            generator = ROOT / "tests" / "raw" / "flickr_user" / "data.py"
            subprocess.run(
                [sys.executable, generator, folder, str(rows)], check=True, capture_output=True
            )
            subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]))
    else:
        main([int(text) for text in sys.argv[1:]] or list(SIZES))
