"""Ask through a provider's batch API: slower, cheaper, and resumed after a crash."""
