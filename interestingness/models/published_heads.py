"""Published heads: their files, the features they need, and the meaning of their scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from interestingness.errors import WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.heads import LayersHead
from interestingness.models.hub import TorchFile, obtain
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.models.weights import file_sha256, read_state

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class HeadFile(TorchFile):
    """A file of a published head."""

    @property
    def alternatives(self) -> str:
        """What the user can do if it cannot be downloaded."""
        return (
            f"download {self.url} elsewhere and name it: --head {self.file} (of rank and "
            f"export), scorer.file={self.file} (of score)"
        )


@dataclass(frozen=True)
class PublishedHead:
    """One published head and the embedding that it needs.

    Attributes:
        name: in options, e.g. ``scorer.head``.
        file: URL, hash of the content, and licence.
        architecture: open_clip's name of the image tower, with OpenAI's weights.
        image_size: height and width of the tower's input, in pixels.
        dim: length of the tower's feature.
        scaling: of the feature before the head, a mode of ``FeatureScaler``.
        activation: between the head's layers.
        question: what a higher score means.
        unit: of the score.
    """

    name: str
    file: HeadFile
    architecture: str
    image_size: int
    dim: int
    scaling: str
    activation: str
    question: str
    unit: str

    def scorer(self, embedding: Backbone | EmbeddingContract, *, path: str | None = None) -> Scorer:
        """Make a scorer of the head and a backbone, or of the head and features of a backbone.

        Args:
            embedding: the backbone, or the contract of its features.
            path: a local copy of the file; None takes the cache or downloads it.

        Raises:
            WeightsError: for another file than the published one, or for features that the head was
                not trained on, whose scores would be meaningless.
        """
        contract = embedding.contract if isinstance(embedding, Backbone) else embedding
        self.check(contract)
        head = read_head(self.locate(path), dim=self.dim, activation=self.activation)
        scaler = FeatureScaler(self.scaling, self.dim)
        backbone = embedding if isinstance(embedding, Backbone) else None
        return Scorer(backbone, scaler, head, embedding=contract).eval()

    def check(self, contract: EmbeddingContract) -> None:
        """Refuse features of another tower, size, preprocessing or normalisation.

        Raises:
            WeightsError: naming each difference.
        """
        expected = {
            "family": "open_clip",
            "architecture": self.architecture,
            "dim": self.dim,
            "image_size": self.image_size,
            "resize": "shortest",
            "interpolation": "bicubic",
            "mean": CLIP_MEAN,
            "std": CLIP_STD,
            "normalised": False,
        }
        wrong = [
            f"{name}: {getattr(contract, name)}, not {value}"
            for name, value in expected.items()
            if getattr(contract, name) != value
        ]
        if contract.weights_sha256.startswith("random"):
            wrong.append("weights: random, not OpenAI's")
        if wrong:
            raise WeightsError(
                f"{self.name} was made for other features: {'; '.join(wrong)}",
                expected=f"un-normalised features of {self.architecture} with OpenAI's weights; "
                f"the head scales them itself ({self.scaling})",
                todo="leave out the backbone: the head brings its own",
            )

    def locate(self, path: str | None = None) -> Path:
        """Find the head's file and check its hash.

        Args:
            path: a local copy; None takes the cache or downloads it.

        Raises:
            WeightsError: if it is absent, or another file than the published one.
        """
        found = obtain(self.file) if path is None else Path(path).expanduser()
        if not found.is_file():
            raise WeightsError(
                f"{found}: there is no such file",
                expected=f"the head {self.name}, {self.file.name}",
                todo=f"leave it out to download it, or {self.file.alternatives}",
            )
        if file_sha256(found) != self.file.sha256:
            raise WeightsError(
                f"{found}: is not {self.name} (hash {file_sha256(found)[:12]}…)",
                expected=f"the published file, hash {self.file.sha256[:12]}…",
                todo=self.file.alternatives,
            )
        return found


def read_head(path: Path, *, dim: int, activation: str) -> LayersHead:
    """Build a published head from a checkpoint, whatever its layers are called; no code is run.

    Args:
        path: a checkpoint of linear layers only.
        dim: length of the features.
        activation: between the layers; the checkpoint does not record it.

    Raises:
        WeightsError: if the tensors are not a chain of linear layers from ``dim`` to one number.
    """
    layers = _layers(read_state(path), path)
    sizes = [layers[0][0].shape[1], *(weight.shape[0] for weight, _ in layers)]
    fits = all(w.shape[1] == sizes[i] for i, (w, _) in enumerate(layers))
    if not fits or sizes[0] != dim or sizes[-1] != 1:
        raise WeightsError(
            f"{path}: layers of {' → '.join(map(str, sizes))} numbers",
            expected=f"linear layers from {dim} numbers to one",
            todo="name the head that belongs to these features",
        )
    head = LayersHead(dim, hidden=sizes[1:-1], activation=activation)
    with torch.no_grad():
        for layer, (weight, bias) in zip(head.layers, layers, strict=True):
            layer.weight.copy_(weight)  # type: ignore[operator]
            layer.bias.copy_(bias)  # type: ignore[operator]
    return head


def _layers(state: Mapping[str, Tensor], path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each layer, in the order of the numbers in their names."""

    def order(name: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", name)]

    names = {name.rpartition(".")[0] for name in state}
    whole = all(
        state.get(f"{n}.weight".lstrip("."), torch.empty(0)).ndim == 2
        and state.get(f"{n}.bias".lstrip("."), torch.empty(0, 0)).ndim == 1
        for n in names
    )
    if not whole or len(state) != 2 * len(names):
        raise WeightsError(
            f"{path}: holds {', '.join(sorted(state)[:4])}",
            expected="a weight and a bias for each linear layer",
            todo="name a published head",
        )
    return [
        (state[f"{n}.weight".lstrip(".")].float(), state[f"{n}.bias".lstrip(".")].float())
        for n in sorted(names, key=order)
    ]


HEADS_ON_CLIP: dict[str, PublishedHead] = {}
"""Published heads by name."""

_ICCV = "fiabdu/Visual-Interestingness-Decoded/raw/029087058ff15a083f7f9d932bb5c69fbd0cd76a"
_ECCV = "fiabdu/Commonly-Interesting-Images/raw/3bbfc31cb41a910f4b6309ce27d0444ddcf75d43"
_LAION = "LAION-AI/aesthetic-predictor/raw/6d122adad522ab246644d9dc1c6d7a3810ee255f"
_IMPROVED = (
    "christophschuhmann/improved-aesthetic-predictor/raw/6934dd81792f086e613a121dbce43082cb8be85e"
)
_SIMULACRA = "crowsonkb/simulacra-aesthetic-models/raw/701f7678b305/models"
_UNSTATED = "none stated by the authors"
_RATING = "mean rating, about 1 to 10"


def _add(
    name: str,
    address: str,
    sha256: str,
    *,
    tower: str,
    scaling: str,
    licence: str,
    question: str,
    unit: str,
    activation: str = "none",
) -> None:
    file = HeadFile(f"https://github.com/{address}", licence, sha256=sha256)
    HEADS_ON_CLIP[name] = PublishedHead(
        name,
        file,
        architecture=f"{tower}-quickgelu",
        image_size=336 if tower.endswith("336") else 224,
        dim=768 if tower.startswith("ViT-L") else 512,
        scaling=scaling,
        activation=activation,
        question=question,
        unit=unit,
    )


# The papers that this project follows. Both heads take features as they are, and the first was
# trained on pairs: its score has no unit.
_add(
    "relative_interestingness",
    f"{_ICCV}/RI_model.pth",
    "f7d66a2d0183ef43f98f71bd8e87a972b317af376df8beedf1ec6cf005d96e1a",
    tower="ViT-L-14",
    scaling="none",
    licence=_UNSTATED,
    question="interesting",
    unit="logits, of GPT-4o's choices between two images",
)
_add(
    "common_interestingness",
    f"{_ECCV}/CI_R_model.pth",
    "2e13af60ea767dcca523588aad5ff62969da6727d2067bbc3db44eda5326ba77",
    tower="ViT-L-14-336",
    scaling="none",
    licence=_UNSTATED,
    question="commonly interesting",
    unit="CI score, about 0 to 1",
)
for _tower, _short, _sha in (
    ("ViT-B-32", "b_32", "c7b14cead230694acc7b9447974d3cad78003c72da032e402a303b6c2429e85f"),
    ("ViT-B-16", "b_16", "8ad3923d7ecf019df20ecd2ab5542a3075fbba0278d239c0371345f3d7fcbde0"),
    ("ViT-L-14", "l_14", "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba"),
):
    _add(
        f"laion_aesthetic_{_short.replace('_', '')}",
        f"{_LAION}/sa_0_4_vit_{_short}_linear.pth",
        _sha,
        tower=_tower,
        scaling="unit",
        licence="MIT",
        question="beautiful",
        unit=_RATING,
    )
for _name, _file, _activation, _sha in (
    (
        "improved_aesthetic",
        "sac+logos+ava1-l14-linearMSE",
        "none",
        "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
    ),
    (
        "improved_aesthetic_ava",
        "ava+logos-l14-linearMSE",
        "none",
        "390a3aafaf3b37d57148f9b22f30556de38343064b7d915acfa80d3812b4c9ff",
    ),
    (
        "improved_aesthetic_relu",
        "ava+logos-l14-reluMSE",
        "relu",
        "0af3254c651d55b7ea851429c20f26ec880bb0169805a4df85b814bd7966f3e4",
    ),
):
    _add(
        _name,
        f"{_IMPROVED}/{_file}.pth",
        _sha,
        tower="ViT-L-14",
        scaling="unit",
        licence="Apache-2.0",
        question="beautiful",
        unit=_RATING,
        activation=_activation,
    )
for _tower, _short, _sha in (
    ("ViT-B-32", "b_32", "64315370e2293a08cc2f4816ae9db715f935791569c1a57d84b943e482ea5e12"),
    ("ViT-B-16", "b_16", "cdc27b2196565bcb69f2692731084b0189612b98aae74adec033782469ab583c"),
    ("ViT-L-14", "l_14", "f77d1d0f4bb04b0ff8e60c5747fd0bfff0cc4a85263a6106627522c06eae85c6"),
):
    _add(
        f"simulacra_aesthetic_{_short.replace('_', '')}",
        f"{_SIMULACRA}/sac_public_2022_06_29_vit_{_short}_linear.pth",
        _sha,
        tower=_tower,
        scaling="unit_sqrt_dim",
        licence="MIT",
        question="beautiful",
        unit=_RATING,
    )


def published_head(name: str) -> PublishedHead:
    """The head of this name.

    Raises:
        WeightsError: if there is none.
    """
    if name not in HEADS_ON_CLIP:
        raise WeightsError(
            f"there is no published head {name!r}",
            expected=f"one of {', '.join(HEADS_ON_CLIP)}",
            todo="name one of them, or a checkpoint",
        )
    return HEADS_ON_CLIP[name]
