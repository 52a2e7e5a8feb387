"""The metrics as Prometheus reads them; prometheus_client writes the format, and loads with the first scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from workbench.errors import MissingComponent
from workbench.gateway.telemetry import metrics as m
from workbench.gateway.telemetry.numbers import Name

if TYPE_CHECKING:
    from prometheus_client import Metric

KIND = "text/plain; version=0.0.4; charset=utf-8"
_OF_CALL = ("model", "provider", "use_case", "outcome", "code")
_OF_WORK = ("model", "provider", "use_case")
_TOKENS = {
    "input": m.INPUT, "cached_input": m.CACHED_INPUT, "cache_write": m.CACHE_WRITE, "output": m.OUTPUT,
    "reasoning": m.REASONING,
}  # fmt: skip
_TIMES = {
    "latency": ("workbench_call_duration_seconds", "From a request's head to its last byte, of calls that were sent."),
    "first_token": ("workbench_first_token_seconds", "Until the first token of a stream."),
    "overhead": ("workbench_gateway_overhead_seconds", "What of a call was not spent waiting for a provider."),
}
_RIGHT_NOW = {
    "in_flight": ("workbench_calls_in_flight", "Calls on their way.", ()),
    "queued": ("workbench_calls_queued", "Calls that wait for their turn.", ()),
    "ledger_failing": ("workbench_ledger_failing", "1 while the ledger can't be written.", ()),
    "spool_waiting": ("workbench_spool_waiting_rows", "Ledger rows that are not durable yet.", ()),
    "limit_shadow": (
        "workbench_limits_shadow_refused",
        "Calls that limits in shadow mode would have refused.",
        ("subject",),
    ),
    "provider_down": ("workbench_provider_down", "1 while calls of a provider fail.", ("provider",)),
    "breaker": ("workbench_breaker_state", "0 closed, 1 half open, 2 open; the worst of all workers.", ("deployment",)),
    "deployment_in_flight": ("workbench_deployment_in_flight", "Tries on their way.", ("deployment",)),
}
_COUNTED = {
    "notice": ("workbench_notices", "Things that somebody should hear of.", "kind"),
}
_OF_LIMITS = frozenset({"rate_limit_exceeded", "budget_exhausted", "budget_overrun", "queue_full", "queue_timeout"})


def render(totals: Mapping[Name, list[int]]) -> bytes:
    """Return the page; raises MissingComponent where prometheus_client is not installed."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - with the first scrape
    except ImportError as error:
        raise MissingComponent(
            "The metrics page needs the package prometheus-client.", hint="pip install prometheus-client"
        ) from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(totals))
    return bytes(generate_latest(registry))


class _Collected:
    """All families of one scrape."""

    def __init__(self, totals: Mapping[Name, list[int]]) -> None:
        self._totals = totals

    def describe(self) -> list[Metric]:
        """Describe nothing: what there is, a scrape tells."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other."""
        yield from self._calls()
        yield from self._work()
        yield from self._histograms()
        yield from self._counted()
        yield from self._right_now()

    def _of(self, kind: str) -> Iterator[tuple[Name, list[int]]]:
        return ((name[1:], cells) for name, cells in self._totals.items() if name[0] == kind)

    def _calls(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

        calls = CounterMetricFamily("workbench_calls", "Calls, by how they ended.", labels=_OF_CALL)
        refused: dict[str, int] = {}
        for labels, cells in self._of(m.CALLS):
            calls.add_metric(labels, cells[0])
            if labels[3] == "refused" and labels[4] in _OF_LIMITS:
                refused[labels[4]] = refused.get(labels[4], 0) + cells[0]
        yield calls
        limits = CounterMetricFamily(
            "workbench_limits_refused", "Calls that a limit or budget refused.", labels=["code"]
        )
        for code, count in refused.items():
            limits.add_metric([code], count)
        yield limits

    def _work(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

        tokens = CounterMetricFamily("workbench_tokens", "Tokens.", labels=(*_OF_WORK, "kind"))
        cost = CounterMetricFamily("workbench_cost_usd", "US dollars, as in the ledger.", labels=_OF_WORK)
        unpriced = CounterMetricFamily("workbench_calls_without_price", "Calls whose cost is unknown.", labels=_OF_WORK)
        for labels, cells in self._of(m.WORK):
            for kind, cell in _TOKENS.items():
                if cells[cell]:
                    tokens.add_metric((*labels, kind), cells[cell])
            cost.add_metric(labels, float(Decimal(cells[m.PICODOLLARS]) / m.PICO))
            if cells[m.WITHOUT_PRICE]:
                unpriced.add_metric(labels, cells[m.WITHOUT_PRICE])
        yield from (tokens, cost, unpriced)

    def _histograms(self) -> Iterator[Metric]:
        from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

        start = 0
        for what, bounds in m.HISTOGRAMS.items():
            family = HistogramMetricFamily(*_TIMES[what], labels=("model", "provider"))
            sum_at = start + len(bounds) + 1
            for labels, cells in self._of(m.TIMES):
                buckets, so_far = [], 0
                for bound, count in zip((*map(str, bounds), "+Inf"), cells[start:sum_at], strict=True):
                    so_far += count
                    buckets.append((bound, float(so_far)))
                if so_far:
                    family.add_metric(labels, buckets, cells[sum_at] / 1e6)
            yield family
            start = sum_at + 1

    def _counted(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

        for what, (name, text, label) in _COUNTED.items():
            family = CounterMetricFamily(name, text, labels=[label])
            for labels, cells in self._of(m.COUNT):
                if labels[0] == what:
                    family.add_metric([labels[1]], cells[0])
            yield family

    def _right_now(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        for what, (name, text, names) in _RIGHT_NOW.items():
            family = GaugeMetricFamily(name, text, labels=names)
            for labels, cells in self._of(m.GAUGE):
                if labels[0] == what:
                    family.add_metric(labels[1:] if names else [], cells[0])
            yield family
