"""Train a scorer: ``python train.py label_source=gpt4o``; the same as ``interestingness train``."""

from interestingness.cli import train

if __name__ == "__main__":
    train()
