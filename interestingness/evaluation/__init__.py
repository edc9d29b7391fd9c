"""Compare scores with references: accuracy, intervals, predictions.

NumPy only. Nothing is trained here.
"""
