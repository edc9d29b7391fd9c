"""Label sources: tables on disk → one preference for each pair. Nothing here may import torch."""
