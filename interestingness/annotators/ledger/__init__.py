"""The ledger of paid answers: one SQLite file, explained in ``schema.sql``.

``store`` is what others use; ``transitions`` are the changes that can happen, each in one
transaction; ``writer`` commits them in one thread. ``lock``, ``ballast`` and ``spill`` are for bad
days; ``export``, ``verify``, ``recover`` and ``status`` are commands.
"""
