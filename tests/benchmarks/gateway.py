"""The gateway's speed beside its peers', in one run: `python -m tests.benchmarks.gateway`.

Needs Debian's nginx-light and wrk. Peers are installed at first use, each into an environment of its own. Every ratio
is of figures of the same run; absolute ones depend on the machine and on what else it does, and the load is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import chats, streams, targets
from tests.benchmarks.chats import Chats
from tests.benchmarks.targets import Target
from tests.benchmarks.upstreams import MODELS, upstreams

PARTS = ("chats", "streams", "tokens", "held")
PEERS = ("litellm", "mlflow")


@dataclass
class Figures:
    """What was measured of one target."""

    chats: list[Chats] = field(default_factory=list)
    few: streams.Streams | None = None
    many: streams.Streams | None = None
    tokens: float | None = None
    held: streams.Streams | None = None


def main() -> None:
    """Measure, and print two tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gateway", description=__doc__)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="parts to run")
    parser.add_argument("--peers", choices=PEERS, nargs="*", default=PEERS, help="peers to measure beside us")
    parser.add_argument("--rounds", type=int, default=3, help="bursts of each target; the median counts")
    parser.add_argument("--seconds", type=int, default=4, help="length of a burst")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        at = stack.enter_context(upstreams(folder))
        run: list[Target] = [targets.direct(at), targets.nginx(at), stack.enter_context(targets.bare(at, folder))]
        run.append(stack.enter_context(targets.ours(at, folder)))
        run += [stack.enter_context(getattr(targets, peer)(at, folder)) for peer in given.peers]
        figures = {target.name: Figures() for target in run}
        measure: dict[str, Callable[[], None]] = {
            "chats": lambda: _chats(run, figures, rounds=given.rounds, seconds=given.seconds),
            "streams": lambda: _streams(run, figures, seconds=given.seconds),
            "tokens": lambda: _tokens(run, figures, seconds=given.seconds),
            "held": lambda: _held(run, figures),
        }
        for part in PARTS:
            if part in given.only:
                measure[part]()
    print(f"\nTwo tables, measured with a load of {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.\n")  # noqa: T201
    if "chats" in given.only:
        print(_chat_table(figures))  # noqa: T201
    if set(given.only) - {"chats"}:
        print(_stream_table(figures))  # noqa: T201


# -- measuring --------------------------------------------------------------------------------------------------------


def _chats(run: list[Target], figures: dict[str, Figures], *, rounds: int, seconds: int) -> None:
    for target in run:
        chats.warm(target)
    for _ in range(rounds):
        for target in run:
            _say(f"{target.name}: {chats.CONNECTIONS} connections")
            figures[target.name].chats.append(chats.burst(target, seconds=seconds))


def _streams(run: list[Target], figures: dict[str, Figures], *, seconds: float) -> None:
    for target in _streaming(run):
        _say(f"{target.name}: 16 and 100 streams of 20 frames a second")
        streams.run(target, "paced", streams=2)
        figures[target.name].few = streams.run(target, "paced", streams=16, seconds=2 * seconds)
        figures[target.name].many = streams.run(target, "paced", streams=100, seconds=2 * seconds)


def _tokens(run: list[Target], figures: dict[str, Figures], *, seconds: float) -> None:
    for target in _streaming(run):
        _say(f"{target.name}: frames as fast as they come")
        figures[target.name].tokens = streams.count(target, "burst", streams=16, seconds=seconds)


def _held(run: list[Target], figures: dict[str, Figures]) -> None:
    for target in _streaming(run):
        if target.name not in ("direct", "workbench gateway"):
            continue
        _say(f"{target.name}: 1,000 streams of a frame a second")
        figures[target.name].held = streams.run(target, "slow", streams=1000)


def _streaming(run: list[Target]) -> list[Target]:
    return [target for target in run if target.name not in ("nginx, a relay in C", "bare relay in Python")]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


# -- telling ----------------------------------------------------------------------------------------------------------


def _chat_table(figures: dict[str, Figures]) -> str:
    lines = [
        "| small chats, 16 connections | calls/s | of direct | added p50 ms | p99 ms | CPU us a call | RSS MB |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    middle = {name: _middle(told.chats) for name, told in figures.items()}
    base = middle["direct"]
    for name, m in middle.items():
        cpu = "" if m.cpu_us is None else f"{m.cpu_us:,.0f}"
        rss = "" if m.rss_mb is None else f"{m.rss_mb:,.0f}"
        lines.append(
            f"| {name} | {m.calls_per_second:,.0f} | {m.calls_per_second / base.calls_per_second:.3f} "
            f"| {m.p50_ms - base.p50_ms:.1f} | {m.p99_ms:.1f} | {cpu} | {rss} |"
        )
    ours = middle["workbench gateway"]
    for name in middle.keys() & {"LiteLLM proxy", "MLflow gateway"}:
        times = ours.calls_per_second / middle[name].calls_per_second
        lines.append(f"\nOurs makes {times:.1f} times the calls of {name}.")
    return "\n".join(lines) + "\n"


def _middle(bursts: list[Chats]) -> Chats:
    def median(name: str) -> float | None:
        values = [value for burst in bursts if (value := getattr(burst, name)) is not None]
        return statistics.median(values) if values else None

    told = {name: median(name) for name in Chats.__dataclass_fields__}
    return Chats(**told)  # type: ignore[arg-type]


def _stream_table(figures: dict[str, Figures]) -> str:
    columns = (
        "streams", "16: first token, added p50 ms", "100 at 20 frames/s: first token, added p99 ms",
        "a frame's way, p99 ms", "frames/s of direct", "1,000 streams",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---|--:|--:|--:|--:|--:|"]
    base = figures["direct"]
    for name, told in figures.items():
        few = many = way = tokens = held = ""
        if told.few is not None and base.few is not None:
            few = f"{_quantile(told.few.first_token_ms, 50) - _quantile(base.few.first_token_ms, 50):.1f}"
        if told.many is not None and base.many is not None:
            many = f"{_quantile(told.many.first_token_ms, 99) - _quantile(base.many.first_token_ms, 99):.1f}"
            way = f"{_quantile(told.many.delays_ms, 99):.1f}{_broken(told.few, told.many)}"
        if told.tokens is not None and base.tokens:
            tokens = f"{told.tokens / base.tokens:.2f}"
        if told.held is not None:
            held = f"{told.held.whole:,} whole, {told.held.frames:,} of {1000 * MODELS['slow'][0]:,} frames"
        if few or many or tokens or held:
            lines.append(f"| {name} | {few} | {many} | {way} | {tokens} | {held} |")
    return "\n".join(lines) + "\n"


def _broken(*seen: streams.Streams | None) -> str:
    broken = sum(s.broken for s in seen if s is not None)
    return f" ({broken} streams without frames or `[DONE]`)" if broken else ""


def _quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    main()
