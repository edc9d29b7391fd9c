"""interestingness: learn which images people find interesting, from pairs."""

__version__ = "0.1.0"
