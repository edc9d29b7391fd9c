"""``interestingness shards write`` and ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from interestingness.assembly.opening import check_config, open_dataset
from interestingness.assembly.parts import skips_of
from interestingness.commands.options import Options
from interestingness.data.shards.verify import verify_shards
from interestingness.data.shards.writer import write_shards
from interestingness.errors import ShardError
from interestingness.progress import ProgressLine


def write(cfg: DictConfig) -> dict[str, Any]:
    """Write the pair shards of a data set and print a summary.

    Args:
        cfg: composed ``conf/shards.yaml``.
    """
    check_config(cfg)
    tables = open_dataset(cfg, ProgressLine("preparing the data set"))
    out = Path(cfg.out).expanduser()
    manifest = write_shards(
        tables,
        out,
        pairs_per_shard=cfg.pairs_per_shard,
        max_side=cfg.max_side,
        progress=ProgressLine("pairs written"),
        skips=skips_of(cfg),
    )
    print(f"{manifest.pairs:,} pairs in {len(manifest.shards):,} shards: {out}")
    print(f"train on them: python train.py data=shards data.shards={out} …")
    return {"out": str(out), "pairs": manifest.pairs}


def verify(options: Options) -> int:
    """Check a folder of shards, print the report, and return its exit status.

    Raises:
        ShardError: if there is no such folder.
    """
    folder = Path(options.folder).expanduser()
    if not folder.is_dir():
        raise ShardError(
            f"{options.folder}: no such folder",
            expected="a folder of pair shards",
            todo="name the folder that `interestingness shards write out=…` made",
        )
    report = verify_shards(folder, progress=ProgressLine("pairs checked"))
    print(report)
    return report.exit_status
