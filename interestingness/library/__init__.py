"""What a notebook or a program of one's own imports: load, fit, open a run. No config files.

``interestingness.load`` and its neighbours are these functions; importing ``interestingness`` alone
imports none of them.
"""

from interestingness.library.fitting import fit
from interestingness.library.loading import load
from interestingness.library.records import ImageScore, Scores
from interestingness.library.runs import Run, open_run
from interestingness.library.scorer import LoadedScorer

__all__ = ["ImageScore", "LoadedScorer", "Run", "Scores", "fit", "load", "open_run"]
