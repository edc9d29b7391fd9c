"""The image tower of the small CLIP, in plain torch: the default run needs no open_clip.

Parameters have the names, the order and the initial values of open_clip's ``VisionTransformer``,
and features are the same to the bit; a test compares the two.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class SceneTower(nn.Module):
    """A vision transformer whose class token, projected, is the feature."""

    def __init__(
        self, *, image_size: int, patch_size: int, width: int, layers: int, heads: int, dim: int
    ) -> None:
        """Build it with random weights.

        Args:
            image_size: pixels of a side of its square images.
            patch_size: pixels of a side of a patch.
            width: of the tokens.
            layers: blocks of the transformer.
            heads: of attention in each block.
            dim: length of a feature.
        """
        super().__init__()
        scale, tokens = width**-0.5, (image_size // patch_size) ** 2 + 1
        self.conv1 = nn.Conv2d(3, width, patch_size, stride=patch_size, bias=False)
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(tokens, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = TowerBlocks(width, layers, heads)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(scale * torch.randn(width, dim))

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute activations again in the backward pass instead of keeping them."""
        self.transformer.checkpointing = enable

    def forward(self, images: Tensor) -> Tensor:
        """Features, shape (B, dim), of normalised images, shape (B, 3, image_size, image_size)."""
        patches = self.conv1(images).flatten(2).permute(0, 2, 1)
        first = self.class_embedding.expand(len(images), 1, -1).to(patches.dtype)
        tokens = torch.cat([first, patches], dim=1) + self.positional_embedding.to(patches.dtype)
        tokens = self.transformer(self.ln_pre(tokens))
        features: Tensor = self.ln_post(tokens)[:, 0] @ self.proj
        return features


class TowerBlocks(nn.Module):
    """The blocks of a transformer, one after the other."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.checkpointing = False
        self.resblocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens, shape (B, tokens, width)."""
        for block in self.resblocks:
            if self.checkpointing and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, use_reentrant=False)
            else:
                tokens = block(tokens)
        return tokens


class Block(nn.Module):
    """Attention and a layer of two, each with a norm before it and a skip around it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        layers = [
            ("c_fc", nn.Linear(width, 4 * width)),
            ("gelu", nn.GELU()),
            ("c_proj", nn.Linear(4 * width, width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens, shape (B, tokens, width)."""
        seen = self.ln_1(tokens)
        tokens = tokens + self.attn(seen, seen, seen, need_weights=False)[0]
        out: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return out
