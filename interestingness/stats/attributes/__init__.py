"""Attributes of a picture that need no network, and its distance from the others of a set."""
