"""One module for each command besides train and evaluate.

A module reads what the user typed and calls the rooms below. It computes nothing itself.
"""
