"""The ledger of paid answers: one SQLite file, explained in ``schema.sql``.

``store`` is what others use; ``attempts`` and ``batches`` are the changes that can happen, each in
one transaction; ``writer`` commits them in one thread; ``opening`` locks, makes and checks the
file. ``queries``, ``export`` and ``verify`` read it. Nothing here knows a server or a config.
"""
