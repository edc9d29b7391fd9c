"""Run the jobs of a multirun: each in its own process, finished ones skipped, one table."""
