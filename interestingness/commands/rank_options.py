"""The options of ``interestingness rank`` and ``export``; light: ``--help`` comes at once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence


def rank_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line.

    Args:
        arguments: what stands behind ``rank``.
    """
    parser = argparse.ArgumentParser(
        prog="interestingness rank",
        description="Photographs → a table of scores, and a contact sheet to look at.",
    )
    parser.add_argument(
        "photos",
        nargs="+",
        help="folders, glob patterns, files; tar files of img2dataset, pair shards",
    )
    parser.add_argument(
        "--scorer",
        default="relative_interestingness",
        help="a run folder, a .ckpt file, or the name of a published head (default: %(default)s)",
    )
    parser.add_argument(
        "--out", default="scores.parquet", help="table, .parquet or .csv (default: %(default)s)"
    )
    parser.add_argument(
        "--sheet", default="contact_sheet", help="folder of the contact sheet (%(default)s)"
    )
    parser.add_argument(
        "--reference", help="what to compare with: a saved name, or a table of an earlier --out"
    )
    parser.add_argument(
        "--save-reference", metavar="NAME", help="keep these scores for a later --reference NAME"
    )
    parser.add_argument(
        "--write-xmp",
        action="store_true",
        help="one to five stars as sidecars (photo.jpg.xmp): the highest tenth five, the next 22.5 "
        "%% four, the middle 35 %% three, 22.5 %% two, the lowest tenth one; of these images, or "
        "of the reference where one is named",
    )
    parser.add_argument("--head", help="file of the published head, where there is no network")
    parser.add_argument("--weights", help="file of the backbone's weights, where there is no hub")
    parser.add_argument(
        "--part",
        metavar="I/N",
        default="0/1",
        help="score every Nth image from the Ith on (counted from 0), for arrays of jobs; writes "
        "scores.part-I-of-N.parquet and no sheet. Without it afterwards, all is put together",
    )
    parser.add_argument("--shown", type=int, default=48, help="pictures in a gallery (%(default)s)")
    parser.add_argument(
        "--near-duplicates",
        type=float,
        default=0.97,
        help="cosine of features from which images nearly equal; 1 looks for none (%(default)s)",
    )
    parser.add_argument(
        "--window", type=int, default=5000, help="images before it that one is compared with"
    )
    parser.add_argument(
        "--cache",
        default=os.environ.get("INTERESTINGNESS_CACHE", "~/.cache/interestingness"),
        help="folder for features",
    )
    return parser.parse_args(list(arguments))


def export_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line.

    Args:
        arguments: what stands behind ``export``.
    """
    parser = argparse.ArgumentParser(
        prog="interestingness export",
        description="A scorer in a format that others read.",
    )
    parser.add_argument("scorer", help="a run folder, a .ckpt file, or a published head's name")
    parser.add_argument(
        "--format",
        choices=("folder", "onnx", "iccv"),
        default="folder",
        help="folder: safetensors, JSON and a model card, ready for a model hub; onnx: pixels in, "
        "score out; iccv: the head that the notebook of the ICCV paper loads (%(default)s)",
    )
    parser.add_argument("--out", help="folder or file to write (default: named after the scorer)")
    parser.add_argument("--head", help="file of the published head, where there is no network")
    parser.add_argument("--weights", help="file of the backbone's weights, where there is no hub")
    return parser.parse_args(list(arguments))
