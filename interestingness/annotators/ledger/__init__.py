"""The ledger of paid answers: one SQLite file, explained in ``schema.sql``.

``store`` is what others use. ``attempts``, ``verdicts`` and ``batches`` are the changes that can
happen, each in one transaction; ``writer`` commits them in one thread. ``making`` makes the file,
``opening`` locks and checks it; ``queries``, ``export`` and ``verify`` read it. No server or config
is known here.
"""
