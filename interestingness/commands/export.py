"""``interestingness export``: write a scorer in a format that other tools read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from interestingness.assembly.scorers import NamedScorer, make_scorer
from interestingness.commands.options import Options
from interestingness.disk import try_to_write
from interestingness.errors import ConfigError
from interestingness.models.exchange import (
    ABOUT,
    ScorerCard,
    save_iccv,
    save_onnx,
    save_scorer,
    tuning_of,
)
from interestingness.reports.model_card import write_model_card


def export(options: Options) -> None:
    """Write the scorer and print its path."""
    folder = options.format == "folder"
    if options.out:  # before a network is fetched
        check_target(Path(options.out).expanduser(), folder=folder)
    named = make_scorer(options.scorer, head=options.head, weights=options.weights)
    named = replace(named, card=measured(named.card, Path(options.scorer)))
    default = {"folder": named.card.name, "onnx": f"{named.card.name}.onnx"}
    out = Path(options.out or default.get(options.format, "RI_model.pth")).expanduser()
    check_target(out, folder=folder)
    if options.format == "onnx":
        save_onnx(out, named.scorer)
    elif options.format == "iccv":
        save_iccv(out, named.scorer)
    else:
        write_folder(out, named)
    print(out)


def check_target(out: Path, *, folder: bool) -> None:
    """Refuse to overwrite another file, or to write into a folder that is not an export.

    Raises:
        ConfigError: naming what is there.
        OSError: if nothing can be written there.
    """
    ours = folder and out.is_dir() and ((out / ABOUT).is_file() or not any(out.iterdir()))
    if out.exists() and not ours:
        raise ConfigError(
            f"--out {out}: is there already",
            expected="a new name" + (", or the folder of an earlier export" if folder else ""),
            todo="name another one, or remove it",
        )
    try_to_write(out / ABOUT if folder else out)


def write_folder(out: Path, named: NamedScorer) -> None:
    """Write tensors, JSON and a model card, for model hubs and for ``rank``."""
    save_scorer(out, named.scorer, named.card)
    tuning = tuning_of(named.scorer)
    write_model_card(out / "README.md", named.card, named.scorer.embedding, tuning)


def measured(card: ScorerCard, run: Path) -> ScorerCard:
    """Add what a run folder of ours measured to the card; other cards stay as they are."""
    file = run.expanduser() / "metrics.json"
    if not file.is_file():
        return card
    metrics = json.loads(file.read_text(encoding="utf-8"))
    figures: dict[str, list[float | None]] = {}
    for reference in metrics["test"]["references"]:
        accuracy = reference["accuracy"]["value"]
        if accuracy is not None:
            ends = (reference["accuracy"].get(end) for end in ("low", "high"))
            figures[f"accuracy against {reference['name']}"] = [float(accuracy), *ends]
    return replace(
        card,
        figures=figures,
        simulated=metrics["simulated"],
        learnt_from=f"{metrics['label_source']} on {metrics['data']}",
    )
