"""Make batches from pairs, splits, shards, images and cached features."""
