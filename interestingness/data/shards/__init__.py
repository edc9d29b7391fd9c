"""Pair shards: tar files of image pairs that plain WebDataset reads too (docs/data_format.md).

``layout`` names things, ``writer`` makes shards, ``verify`` checks them, ``reader`` opens them and
``stream`` turns them into batches: by offset in a folder (``local``), whole shards behind a URL
(``streaming``). ``remote`` opens URLs, ``copying`` copies one to a folder.
"""
