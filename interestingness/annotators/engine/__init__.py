"""Sends tasks to a judge: when, how often, at what price, and when to stop."""
