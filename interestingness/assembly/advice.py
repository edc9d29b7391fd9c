"""What a run may do about a loss that is no number: only options that its model takes."""

from __future__ import annotations

from omegaconf import DictConfig


def smaller_steps(cfg: DictConfig) -> str:
    """Ways to smaller steps that the config allows and does not go already."""
    ways = [f"lower the learning rate (optimizer.lr, now {cfg.optimizer.get('lr')})"]
    if cfg.trainer.get("gradient_clip_val") is None:
        ways.append("clip gradients (trainer.gradient_clip_val=1)")
    if "modalities" not in cfg.model and cfg.model.get("scaling") == "none":
        every = cfg.data.source != "shards"  # standardize must know all features beforehand
        more = ", or standardize" if every else ""
        ways.append(f"scale features (model.scaling=unit_sqrt_dim{more})")
    return ", or ".join([", ".join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways)
