"""Losses, metrics and the LightningModule."""
