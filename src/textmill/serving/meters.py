"""Metrics of a server, in Prometheus' format."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from textmill.registry.current import ModelId
from textmill.safety.filtering.decisions import FilterCounts
from textmill.web.guard import App, Message, Receive, Scope, Send

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NOT_FOUND = "other"
"""Label of requests that are refused before they are routed, or whose paths do not exist: one for
each path would be without bound."""


class Meters:
    """Counters and histograms of one server.

    Args:
        filtered: the numbers of decisions of its content filter.
    """

    def __init__(self, filtered: FilterCounts) -> None:
        self.registry = registry = CollectorRegistry()
        registry.register(_Filtered(filtered))
        self.requests = Counter(
            "textmill_requests", "Requests.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "textmill_request_seconds",
            "Time to receive and answer a request.",
            ["route"],
            registry=registry,
        )
        self.batches = Histogram(
            "textmill_batch_inputs",
            "Inputs that were computed together.",
            ["task"],
            buckets=BATCH_SIZES,
            registry=registry,
        )
        self.predictions = Counter(
            "textmill_predictions", "Predictions.", ["task", "version"], registry=registry
        )
        self.tokens = Counter(
            "textmill_generated_tokens", "Generated tokens.", ["model"], registry=registry
        )
        self.unlogged = Counter(
            "textmill_unlogged_predictions",
            "Predictions that could not be written to the log.",
            registry=registry,
        )
        self.loaded = Gauge(
            "textmill_model_loaded",
            "1 if a model is loaded.",
            ["model", "version", "run"],
            registry=registry,
        )

    def show_models(self, models: dict[str, ModelId | None]) -> None:
        """Set which models are loaded, by name."""
        self.loaded.clear()
        for name, found in models.items():
            version, run = ("", "") if found is None else (found.version or "", found.run_id)
            self.loaded.labels(name, version, run).set(found is not None)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _Filtered(Collector):
    """Shows the decisions of a content filter, which counts them itself."""

    def __init__(self, counts: FilterCounts) -> None:
        self.counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter."""
        labels = ("category", "action", "side", "language")
        family = CounterMetricFamily(
            "textmill_filtered", "Decisions of content filters.", labels=labels
        )
        for values, count in self.counts.as_dict().items():
            family.add_metric(values, count)
        yield family


class Measured:
    """ASGI middleware that counts and times requests."""

    def __init__(self, app: App, meters: Meters) -> None:
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = "closed"  # by the client, before there was an answer

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        began = time.perf_counter()
        try:
            await self.app(scope, receive, send_observed)
        finally:
            route = getattr(scope.get("route"), "path", NOT_FOUND)
            self.meters.requests.labels(route, status).inc()
            self.meters.seconds.labels(route).observe(time.perf_counter() - began)
