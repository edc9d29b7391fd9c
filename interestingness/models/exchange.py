"""Export and load scorers: safetensors with JSON, the ICCV notebook's head, ONNX."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from interestingness.disk import appear
from interestingness.errors import WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.heads import LayersHead, LinearHead
from interestingness.models.scorer import Scorer, build_scorer
from interestingness.models.weights import names_a_file

FORMAT = 1
TENSORS, ABOUT = "scorer.safetensors", "scorer.json"
LESS = "less "
"""How the question begins of a scorer that learnt from a score of which less is better."""


@dataclass(frozen=True)
class ScorerCard:
    """Description of a scorer besides its tensors, as plain values.

    Attributes:
        name: for people.
        question: what a higher score means more of, e.g. "interesting"; or less: "less costly".
        learnt_from: label source and data set, or who published it.
        unit: of the score.
        licence: of the weights of head and backbone.
        backbone: config node from which the backbone is built again; empty if unknown.
        figures: measurements on held-out pairs by name: value, and the ends of its interval.
        simulated: the sentence about simulated raters, else "".
        has_zero: True if a score above 0 means "yes" to the question for the image itself
            (``PairLoss.has_zero``); False if only differences have a meaning.
    """

    name: str
    question: str
    learnt_from: str
    unit: str
    licence: str
    backbone: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Sequence[float | None] | float] = field(default_factory=dict)
    simulated: str = ""
    has_zero: bool = False


def save_scorer(folder: str | Path, scorer: Scorer, card: ScorerCard) -> Path:
    """Write head, scaling and embedding contract; the weights of a frozen backbone are not written.

    Returns:
        The folder; ``load_scorer`` reads it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frozen = set(scorer.frozen_names())
    tensors = {n: t.contiguous() for n, t in scorer.state_dict().items() if n not in frozen}
    about = {"format_version": FORMAT, "scorer": scorer.spec(), "card": _portable(card)}
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    appear(folder / TENSORS, lambda path: save_file(tensors, path))
    appear(folder / ABOUT, lambda path: path.write_text(text, encoding="utf-8"))
    return folder


def _portable(card: ScorerCard) -> dict[str, Any]:
    """Leave out folders of this machine: files are found by their name."""
    about = asdict(card)
    node = about["backbone"]
    node.update({key: _without_folder(value) for key, value in node.items()})
    if names_a_file(node.get("weights")):
        node["weights"] = Path(str(node["weights"])).name
    return about


def _without_folder(value: Any) -> Any:
    """Cut paths of this machine to their last part, in whatever a value of a config holds."""
    if isinstance(value, Mapping):
        return {key: _without_folder(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folder(inner) for inner in value]
    if isinstance(value, str) and (value.startswith("~") or Path(value).is_absolute()):
        return Path(value).name
    return value


def tuning_of(scorer: Scorer) -> dict[str, Any]:
    """How the backbone was fine-tuned: ``{"kind": …, **options}``; empty for a frozen one."""
    if scorer.backbone is None or not scorer.backbone.changed:
        return {}
    return scorer.backbone.tuning or {"kind": "full"}


def learnt_sha256(scorer: Scorer) -> str:
    """Hash of all tensors except a frozen backbone's; the same in every format."""
    frozen, digest = set(scorer.frozen_names()), hashlib.sha256()
    for name, tensor in sorted(scorer.state_dict().items()):
        if name not in frozen:
            values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(values.numpy().data)
    return digest.hexdigest()


def read_card(folder: str | Path) -> tuple[ScorerCard, dict[str, Any]]:
    """Card and scorer spec of a folder that ``save_scorer`` wrote.

    Raises:
        WeightsError: if there is none, or its format version is another one.
    """
    file = Path(folder) / ABOUT
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        card = ScorerCard(**about["card"])
        spec, version = dict(about["scorer"]), about["format_version"]
        _check_card(card, spec)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{file}: cannot be read ({type(error).__name__}: {error})",
            expected="a file that `interestingness export` wrote",
            todo="export the scorer again",
        ) from None
    if version != FORMAT:
        raise WeightsError(
            f"{file}: format version {version}",
            expected=f"version {FORMAT}",
            todo="use the version of interestingness that wrote it, or export again",
        )
    return card, spec


def _check_card(card: ScorerCard, spec: Mapping[str, Any]) -> None:
    """Refuse what another program, or an editor, may have left.

    Raises:
        TypeError, KeyError: naming the value.
    """
    for name in ("name", "question", "learnt_from", "unit", "licence", "simulated"):
        if not isinstance(getattr(card, name), str):
            raise TypeError(f"{name} is no text")
    if not isinstance(card.backbone, Mapping):
        raise TypeError("backbone is no mapping")
    for name in ("version", "embedding", "scaling", "head", "trainable_backbone"):
        spec[name]


def load_scorer(folder: str | Path, backbone: Backbone | None) -> Scorer:
    """Load a scorer from a folder.

    Args:
        folder: from ``save_scorer``.
        backbone: built from the card's config; None for a scorer of features only.

    Raises:
        WeightsError: for a backbone with another contract, or tensors that do not fit.
    """
    _, spec = read_card(folder)
    scorer = build_scorer(spec, backbone)
    file = Path(folder) / TENSORS
    try:
        tensors = load_file(file)
    except Exception as error:  # safetensors raises many classes of errors for damaged files
        raise WeightsError(
            f"{file}: cannot be read ({error})",
            expected="the tensors of the scorer",
            todo="export the scorer again",
        ) from None
    restore(scorer, tensors, where=str(file))
    return scorer.eval()


def restore(scorer: Scorer, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Load tensors into a scorer; exactly those outside a frozen backbone must be given.

    A fine-tuned backbone is frozen afterwards.

    Raises:
        WeightsError: naming tensors that are missing, unknown or of another shape.
    """
    frozen = set(scorer.frozen_names())
    needed = set(scorer.state_dict()) - frozen
    # A scorer of features ignores the tensors of a fine-tuned backbone.
    given = {n: t for n, t in tensors.items() if scorer.backbone or not n.startswith("backbone.")}
    wrong = sorted(needed ^ (set(given) - frozen))
    shapes = [n for n in needed & set(given) if scorer.state_dict()[n].shape != given[n].shape]
    if wrong or shapes:
        raise WeightsError(
            f"{where}: {', '.join((wrong + shapes)[:4])} missing, unknown or of another shape",
            expected="the tensors of this scorer",
            todo="name the file that belongs to it",
        )
    scorer.load_state_dict(dict(given), strict=False)
    if scorer.backbone is not None:
        scorer.backbone.settle()


def iccv_head(scorer: Scorer) -> dict[str, Tensor]:
    """The state of the ICCV notebook's ``BaseNetwork``: one linear layer, ``fc1``, on raw features.

    A standardisation becomes part of the layer: ``w / σ`` and ``−w·μ / σ``.

    Raises:
        WeightsError: for a head with hidden layers, features scaled to length 1, or a fine-tuned
            backbone, which one linear layer on published features cannot express.
    """
    tuned = tuning_of(scorer)
    if tuned:
        raise WeightsError(
            f"a backbone that was fine-tuned ({tuned['kind']})",
            expected="a frozen backbone: this format holds the head alone, whose scores would be "
            "meaningless on features of the published backbone",
            todo="export with --format folder or --format onnx, which keep the trained backbone",
        )
    head, scaler = scorer.head, scorer.scaler
    if isinstance(head, LinearHead):
        weight, bias = head.weight.detach().double(), torch.zeros((), dtype=torch.float64)
    elif isinstance(head, LayersHead) and not head.hidden:
        layer = head.layers[0]
        assert isinstance(layer, nn.Linear)
        weight, bias = layer.weight.detach().double()[0], layer.bias.detach().double()[0]
    else:
        raise WeightsError(
            f"a head of kind {head.kind!r}",
            expected="one linear layer, as in the notebook's network",
            todo="export with --format folder or --format onnx",
        )
    if scaler.mode == "standardize":
        std, mean = scaler.std.double(), scaler.mean.double()
        weight = weight / std
        bias = bias - (weight * mean).sum()
    elif scaler.mode != "none":
        raise WeightsError(
            f"features scaled by {scaler.mode!r}",
            expected="features as they are, or standardised: the notebook does not scale features",
            todo="export with --format folder or --format onnx",
        )
    return {"fc1.weight": weight.float()[None], "fc1.bias": bias.float()[None]}


def save_iccv(file: str | Path, scorer: Scorer) -> Path:
    """Write ``iccv_head`` in the format that the notebook loads."""
    file = Path(file)
    state = iccv_head(scorer)
    appear(file, lambda path: torch.save(state, path))
    return file


class PixelScorer(nn.Module):
    """Resized pixels → score: the part of a scorer that ONNX can hold."""

    def __init__(self, scorer: Scorer) -> None:
        """Take a scorer with a backbone."""
        super().__init__()
        assert scorer.backbone is not None
        self.scorer, self.transform = scorer, scorer.backbone.transform

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores, shape (N,), of uint8 RGB pixels (N, height, width, 3)."""
        scores: Tensor = self.scorer(self.transform.normalise(pixels))
        return scores


def save_onnx(file: str | Path, scorer: Scorer) -> Path:
    """Write the scorer as ONNX: input ``pixels`` (uint8, N × height × width × 3), output ``score``.

    Resizing is not part of the file, because no runtime resizes as Pillow does. The backbone's
    ``transform.pixels`` computes the pixels, and the file's metadata describes the rule.

    Raises:
        WeightsError: if the scorer has no backbone, or the packages of the extra ``onnx`` are
            missing.
    """
    if scorer.backbone is None:
        raise WeightsError(
            "a scorer of cached features takes no images",
            expected="a scorer with a backbone",
            todo="train with model/backbone=…, or export with --format folder",
        )
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise WeightsError(
            f"ONNX export needs the package {error.name}",
            expected="the extra `onnx`",
            todo='pip install "interestingness[onnx]"',
        ) from None
    file, size = Path(file), scorer.embedding.image_size
    module = PixelScorer(scorer).eval()
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        input_names=["pixels"],
        output_names=["score"],
        dynamic_shapes={"pixels": {0: "images"}},
        verbose=False,
    )
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # the exporter keeps traces of the code, with its folders
        node.doc_string = None
    program.model.metadata_props["embedding"] = json.dumps(scorer.embedding.as_dict())
    appear(file, lambda path: program.save(str(path)))
    return file
