"""Run folders, their registry, and the processes that share a run.

Models and label sources are not known here.
"""
