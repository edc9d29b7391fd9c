"""Counters of a server, in the format that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Requests, images, batches and the queue."""

    def __init__(self) -> None:
        """Make counters of this server's own."""
        self.registry = CollectorRegistry()
        name = "interestingness_"
        self.requests = Counter(
            f"{name}requests", "Requests", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            f"{name}request_seconds", "Seconds of a request", ["path"], buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.images = Counter(
            f"{name}images", "Images by what became of them", ["status"], registry=self.registry
        )
        self.batches = Histogram(
            f"{name}batch_images", "Images of a batch", buckets=IMAGES, registry=self.registry
        )
        self.waiting = Gauge(
            f"{name}waiting_images", "Images accepted and not finished", registry=self.registry
        )

    def text(self) -> bytes:
        """Write all of them."""
        return generate_latest(self.registry)
