"""A small CLIP for synthetic scenes: paths of config and weights. It is refused on photographs.

``scripts/train_scene_clip.py`` trained it on scenes of seeds that no data set uses; images are
prepared with open_clip's defaults (shortest side to 64 pixels, bicubic, CLIP's mean and deviation).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

MODEL_NAME: Final = "scene-clip-64"
"""The config's name once ``open_clip.add_model_config(CONFIG)`` has been called."""

CONFIG: Final = Path(__file__).with_name(f"{MODEL_NAME}.json")
"""Model config of open_clip."""

WEIGHTS: Final = Path(__file__).with_name(f"{MODEL_NAME}.safetensors")
"""Both towers in half precision."""
