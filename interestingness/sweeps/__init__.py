"""Jobs of a multirun: each in its own process, skipped where finished before, in one table."""
