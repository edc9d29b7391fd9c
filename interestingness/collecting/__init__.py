"""People's votes by a local page: what was shown, what was answered, and its export.

A store is one SQLite file. Nothing here learns, and nothing here asks a model.
"""
