"""Sends tasks to a model: when, how often, at what price, and when to stop."""
