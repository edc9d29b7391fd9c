"""Captioners: networks that write one sentence about an image. open_clip's CoCa, decoded greedily.

Why not open_clip's own ``generate``: docs/decisions/0014.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interestingness.errors import ConfigError, WeightsError
from interestingness.models.backbone import ANY, PHOTOGRAPHS
from interestingness.models.backbones.loading import (
    licence_of,
    load_weights,
    one_size,
    options_hash,
)
from interestingness.models.backbones.open_clip_config import (
    check_config_beside,
    model_config,
    published_by,
)
from interestingness.models.contract import EmbeddingContract
from interestingness.models.preprocessing import ResizeCropNormalise
from interestingness.models.weights import resolve_weights, seeded

DECODING = "greedy 1"
"""Version of the rule from a network to tokens; raised when it changes."""
PAD = 0
"""Token that CoCa is trained to ignore; open_clip treats it as an end of sentence too."""


class CocaCaptioner(nn.Module):
    """Image → tokens of a sentence, by a CoCa model of open_clip; frozen, in eval mode.

    It is an encoder (``data.encoding.Encoder``) whose feature vector holds the sentence's tokens,
    so that the feature cache stores captions by image content and an interrupted command resumes.

    Attributes:
        contract: everything that determines the tokens, as plain values.
        transform: RGB picture → input of the network.
        domain: kind of images that the weights were trained on: "photographs", or "any pictures"
            for random ones.
        licence: of the weights.
        origin: where the weights came from, for people.
        rater_id: author in the table ``texts``: the network and the first digits of its hash.
        batch_size: images that are captioned at a time.
        noise: whether the weights are random, so that the sentences are meaningless.

    Source:
        LaFin uses a captioning system that was never published; CoCa (Yu et al. 2022) as LAION
        trained it stands in for it.
    """

    frozen, reentrant = True, True

    def __init__(
        self,
        architecture: str,
        *,
        pretrained: str | None,
        weights: str,
        licence: str,
        most_tokens: int,
        batch_size: int,
    ) -> None:
        """Build the network and load its weights.

        Args:
            architecture: ``coca_ViT-B-32``, ``coca_ViT-L-14``, or the path of a JSON file with such
                a model's config in open_clip's form.
            pretrained: tag of the published weights, and of their preprocessing.
            weights: "hub", the path of a checkpoint of the whole model, or "random[:seed]".
            licence: of the published weights.
            most_tokens: length at which a sentence is cut off.
            batch_size: images at a time; decoding lasts until the longest sentence of them ends.

        Raises:
            ConfigError: for a number of tokens that the network cannot write, or no batch size.
            WeightsError: for a network other than CoCa with open_clip's tokeniser, or unusable
                weights.
        """
        from open_clip.coca_model import CoCa
        from open_clip.tokenizer import SimpleTokenizer

        super().__init__()
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ConfigError(
                f"captioner.batch_size={batch_size}",
                expected="a whole number, 1 or more",
                todo="captioner.batch_size=16",
            )
        name = Path(architecture).stem if architecture.endswith(".json") else architecture
        self._tokens = SimpleTokenizer()
        with _in_our_options():
            config, preprocessing = model_config(architecture, pretrained)
        _check(config, name, self._tokens.vocab_size, most_tokens)
        with _in_our_options(
            "captioner.weights=FILE with the whole model, or once where the hub can be reached; "
            "or have another model write: interestingness annotate what=descriptions"
        ):
            published = published_by(architecture, pretrained, licence)
            found = resolve_weights(weights, published, name=architecture)
        with _in_our_options():
            check_config_beside(found, config, preprocessing)
        options = {key: value for key, value in config.items() if key != "custom_text"}
        with seeded(found.seed):
            self.network = CoCa(**options)
            # open_clip leaves this matrix uninitialised.
            decoder = self.network.text_decoder
            nn.init.normal_(decoder.text_projection, std=config["multimodal_cfg"]["width"] ** -0.5)
        sha = load_weights(self.network, found, name, _without_scale)
        self.requires_grad_(False).eval()
        size = one_size(config["vision_cfg"].get("image_size", 224), name)
        self.contract = EmbeddingContract(
            family="open_clip captions",
            architecture=name,
            architecture_hash=options_hash([options, DECODING]),
            weights_sha256=sha,
            dim=most_tokens,
            image_size=size,
            resize=preprocessing.get("resize_mode") or "shortest",
            resize_size=size,
            interpolation=preprocessing.get("interpolation") or "bicubic",
            mean=tuple(preprocessing["mean"]),
            std=tuple(preprocessing["std"]),
        )
        self.transform = ResizeCropNormalise(self.contract)
        self.noise = found.path is None
        self.domain = ANY if self.noise else PHOTOGRAPHS
        self.licence, self.origin = licence_of(found, licence), found.origin
        self.rater_id, self.batch_size = f"{name}-{sha[:12]}", batch_size

    @property
    def dim(self) -> int:
        """Tokens of the longest sentence."""
        return self.contract.dim

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Tokens of each image's most likely sentence, token by token, as numbers.

        Args:
            images: transformed, shape (B, 3, H, W).

        Returns:
            Shape (B, most_tokens); 0 after the end of a sentence.
        """
        seen = self.network(images)["image_embs"]
        start, end = self._tokens.sot_token_id, self._tokens.eot_token_id
        shape = (len(images), self.dim + 1)
        tokens = torch.full(shape, PAD, dtype=torch.long, device=images.device)
        tokens[:, 0] = start
        going = torch.arange(len(images), device=images.device)
        for at in range(self.dim):
            # Sentences that have ended are not decoded any further.
            _, written = self.network.text(tokens[going, : at + 1])
            following = self.network.text_decoder(seen[going], written)[:, -1].argmax(dim=-1)
            goes_on = (following != end) & (following != PAD)
            going = going[goes_on]
            if not len(going):
                break
            tokens[going, at + 1] = following[goes_on]
        return tokens[:, 1:].float()

    def texts(self, tokens: NDArray[np.float32]) -> list[str]:
        """Sentences of rows of tokens, shape (sentences, most_tokens); "" for an empty one."""
        special = {PAD, *self._tokens.all_special_ids}
        rows = tokens.astype(np.int64).tolist()
        return [
            " ".join(self._tokens.decode([t for t in row if t not in special]).split())
            for row in rows
        ]

    def fingerprint(self) -> str:
        """Hash of network, weights, preprocessing and decoding: equal ones write the same."""
        return self.contract.fingerprint()

    def describe(self) -> str:
        """One line for people."""
        c = self.contract
        return (
            f"{c.architecture}, {c.image_size} px → a sentence of at most {c.dim} tokens; weights "
            f"{self.origin} ({c.weights_sha256[:12]}; {self.licence}); for {self.domain}"
        )


def _check(config: dict[str, Any], name: str, vocabulary: int, most_tokens: int) -> None:
    text, joint = config.get("text_cfg", {}), config.get("multimodal_cfg")
    size = text.get("vocab_size", vocabulary)
    if joint is None or "hf_model_name" in text or size != vocabulary:
        raise WeightsError(
            f"{name} writes no sentences that open_clip's own tokeniser can read",
            expected=f"a CoCa model with a vocabulary of {vocabulary:,} tokens",
            todo="captioner=coca_vit_b32 or captioner=coca_vit_l14",
        )
    longest = min(part.get("context_length", 77) for part in (text, joint))
    if not 1 <= most_tokens <= longest:
        raise ConfigError(
            f"captioner.most_tokens={most_tokens}",
            expected=f"a number from 1 to {longest}, what {name} can write",
            todo="captioner.most_tokens=30",
        )


@contextmanager
def _in_our_options(todo: str | None = None) -> Iterator[None]:
    """Rewrite errors of code shared with backbones so that they name a captioner's options."""
    try:
        yield
    except WeightsError as error:
        found, advice = (
            text.replace("model.backbone.", "captioner.") for text in (error.found, error.todo)
        )
        raise WeightsError(found, expected=error.expected, todo=todo or advice) from None


def _without_scale(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The checkpoint with the scale of the contrastive loss in the network's shape.

    Some files hold it as a number, others as a list of one; no sentence depends on it.
    """
    own = network.state_dict()
    unused = ("logit_scale", "logit_bias")
    kept = {k: v for k, v in state.items() if k not in unused}
    return {**kept, **{k: own[k] for k in unused if k in own}}
