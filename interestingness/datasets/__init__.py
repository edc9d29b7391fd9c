"""One file per public data set: raw files become our tables."""
