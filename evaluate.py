"""Judge a checkpoint: ``python evaluate.py ckpt=RUN``; the same as ``interestingness evaluate``."""

from interestingness.cli import evaluate

if __name__ == "__main__":
    evaluate()
