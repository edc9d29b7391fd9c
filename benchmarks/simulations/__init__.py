"""Simulated judges, images and sharing sites whose truth is known: what the simulations share.

``python benchmarks/debiasing.py``, ``pair_choice.py`` and ``engagement.py`` use them. None of them
reads a data set of the user.
"""
