"""Text towers of CLIP models: texts → vectors, offline once the weights are downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interestingness.errors import WeightsError
from interestingness.models.backbone import PHOTOGRAPHS, SYNTHETIC
from interestingness.models.backbones.loading import licence_of, load_weights, options_hash
from interestingness.models.backbones.open_clip_config import model_config, published_by
from interestingness.models.scene_clip import CONFIG, MODEL_NAME, WEIGHTS
from interestingness.models.weights import Weights, resolve_weights, seeded
from interestingness.progress import ProgressLine

BATCH = 64
LONGEST = 2000
"""Characters of a text that are tokenised: a tower reads 77 tokens, and the time to tokenise a word
grows with the square of its length."""
OPTION = "text tower: weights"
_NOT_TEXT = ("visual.", "logit_scale", "logit_bias")


class OpenClipText:
    """The text tower of a CLIP model that open_clip knows; the image tower is never built.

    A text embedder (``studies.embedding.TextEmbedder``). Texts longer than the tower's context are
    cut off (CLIP reads 77 tokens, about 50 words).

    Attributes:
        dim: length of a vector.
        domain: kind of images that the weights were trained on, "photographs" or "synthetic".
        weights_sha256: as in ``EmbeddingContract``; equal to the image tower's if both come from
            one file.
    """

    def __init__(
        self, architecture: str, *, pretrained: str | None, weights: str, licence: str
    ) -> None:
        """Build the tower and load its weights.

        Args:
            architecture: a name of ``open_clip.list_models()``, or the path of a JSON model config.
            pretrained: tag of the published weights.
            weights: "hub", the path of a checkpoint of the whole model, or "random[:seed]".
            licence: of the published weights.

        Raises:
            WeightsError: for an architecture without a tower and tokeniser of open_clip's own, or
                unusable weights.
        """
        config, _ = model_config(architecture, pretrained)
        published = published_by(architecture, pretrained, licence)
        found = resolve_weights(weights, published, name=architecture, option=OPTION)
        name = Path(architecture).stem if architecture.endswith(".json") else architecture
        self._build(config, found, name, licence=licence)

    def _build(
        self,
        config: Mapping[str, Any],
        found: Weights,
        name: str,
        *,
        licence: str,
        domain: str = PHOTOGRAPHS,
    ) -> None:
        from open_clip.model import _build_text_tower
        from open_clip.tokenizer import SimpleTokenizer

        text = dict(config["text_cfg"])
        foreign = [k for k in ("hf_model_name", "hf_tokenizer_name") if text.get(k)]
        if foreign:
            raise WeightsError(
                f"{name} reads texts with a tokeniser of another library ({text[foreign[0]]})",
                expected="a CLIP model with open_clip's own tokeniser",
                todo="text_embedder@study.embedder=clip_text, or tfidf",
            )
        quick = config.get("quick_gelu", False)
        with seeded(found.seed):
            # The private builder, because the public one also builds the image tower.
            tower = _build_text_tower(config["embed_dim"], text, quick)
        sha = load_weights(tower, found, name, _text_tower)
        self.weights_sha256 = sha
        self._tower = tower.eval().requires_grad_(False)
        self._tokens = SimpleTokenizer(context_length=int(text.get("context_length", 77)))
        self.name, self.domain, self.dim = name, domain, int(config["embed_dim"])
        self.licence, self.origin = licence_of(found, licence), found.origin
        self._identity = f"text {name} {options_hash([text, quick])} {sha}"

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, not normalised, shape (texts, dim)."""
        parts = [np.zeros((0, self.dim), dtype=np.float32)]
        line = ProgressLine("texts embedded")
        for start in range(0, len(texts), BATCH):
            line(start, len(texts))
            batch = [text[:LONGEST] for text in texts[start : start + BATCH]]
            parts.append(self._tower(self._tokens(batch)).float().numpy())
        line.close()
        return np.concatenate(parts)

    def fingerprint(self) -> str:
        """Hash of network and weights: equal ones give equal vectors."""
        return hashlib.sha256(self._identity.encode()).hexdigest()[:32]

    def describe(self) -> str:
        """One line for people."""
        return (
            f"text tower of {self.name}, {self.dim} numbers; weights {self.origin} "
            f"({self.licence}; for {self.domain})"
        )


class SceneClipText(OpenClipText):
    """The text tower of the small CLIP in this package, trained on words of synthetic scenes."""

    def __init__(self, *, weights: str) -> None:
        """Build the tower.

        Args:
            weights: "embedded", the path of another file of the same network, or "random[:seed]".
        """
        config, _ = model_config(str(CONFIG), None)
        given = str(WEIGHTS) if weights == "embedded" else weights
        found = resolve_weights(given, None, name=MODEL_NAME, option=OPTION)
        if weights == "embedded":
            found = Weights(found.path, 0, "embedded in the package", published=True)
        self._build(config, found, MODEL_NAME, licence="Apache-2.0", domain=SYNTHETIC)


def _text_tower(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The text tower's part of a checkpoint of the whole model."""
    if any(key.startswith("text.") for key in state):
        return {k.removeprefix("text."): v for k, v in state.items() if k.startswith("text.")}
    return {k: v for k, v in state.items() if not k.startswith(_NOT_TEXT)}
