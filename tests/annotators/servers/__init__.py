"""Servers for tests: scripted answers with a journal of their own, and a proxy that cuts."""
