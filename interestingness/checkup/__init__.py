"""What works on this machine: facts are read in one place, and judged by pure functions."""
