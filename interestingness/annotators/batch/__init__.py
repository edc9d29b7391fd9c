"""Asks through a provider's batch API: slower, cheaper, and found again after a crash."""
