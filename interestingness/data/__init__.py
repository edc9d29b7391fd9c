"""Pairs, splits, shards, images and feature caches become batches."""
