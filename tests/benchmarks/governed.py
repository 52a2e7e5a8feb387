"""What governing costs: `python -m tests.benchmarks.governed [--before CHECKOUT]`; needs Debian's nginx-light and wrk.

CPU a call of the gateway with limits and budgets of every subject, a bounded deployment and hashed bodies, beside the
same with a key alone, which is held to calls a minute and to money in all; `--before` adds the gateway of another
checkout with such a key, as what it was. Bursts take turns, and ratios are of bursts that are neighbours.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import chats
from tests.benchmarks.processes import Tree
from tests.benchmarks.targets import Target
from tests.benchmarks.upstreams import upstreams
from workbench.client.key_desk import KeyDesk
from workbench.statistics import mean_interval
from workbench.testing.gateway import running_gateway

_MANY = 1_000_000_000
_GOVERNED = {
    "limits": {
        "requests_per_second": 100_000, "requests_per_minute": 1_000_000, "tokens_per_minute": _MANY,
        "tokens_per_day": _MANY, "requests_per_day": _MANY, "concurrent": 1000,
    },
    "budget": {"usd_per_day": 1000, "usd_per_month": 10_000, "usd_total": 100_000},
}  # fmt: skip
_RULES = "\n".join(
    f'[[admission.limits]]\nsubject = "{subject}"\nrequests_per_minute = 1000000\ntokens_per_minute = {_MANY}\n'
    "usd_per_day = 1000\n"
    for subject in ("use_case", "user", "model", "provider")
)
_SETUP = """
import json, sys
from workbench.client.key_desk import KeyDesk
desk = KeyDesk(sys.argv[1], sys.argv[2])
print(desk.ask("POST", "/admin/v1/keys", json.loads(sys.argv[3]), timeout=10)["key"])
"""


def main() -> None:
    """Measure, and print the ratio with its interval."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.governed", description=__doc__)
    parser.add_argument("--before", type=Path, help="another checkout, whose gateway is what it was")
    parser.add_argument("--rounds", type=int, default=20, help="bursts of each")
    parser.add_argument("--seconds", type=int, default=3, help="length of a burst")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        at = stack.enter_context(upstreams(folder))
        run = [stack.enter_context(_governed(at.base("chat"), folder / "governed"))]
        run.append(stack.enter_context(_plain(at.base("chat"), folder / "plain", None)))
        if given.before is not None:
            run.append(stack.enter_context(_plain(at.base("chat"), folder / "before", given.before)))
        for target in run:
            chats.warm(target)
            chats.burst(target, seconds=given.seconds)
        used: dict[str, list[float]] = {target.name: [] for target in run}
        for number in range(given.rounds):
            for target in run if number % 2 else run[::-1]:
                used[target.name].append(chats.burst(target, seconds=given.seconds).cpu_us or 0.0)
            told = ", ".join(f"{name} {cpu[-1]:.0f}" for name, cpu in used.items())
            print(f"round {number + 1}: {told}", file=sys.stderr, flush=True)  # noqa: T201
    for name, cpu in used.items():
        print(f"{name}: {statistics.median(cpu):.0f} us CPU a call")  # noqa: T201
    for one, other in itertools.combinations(used, 2):
        print(_ratio(one, other, used))  # noqa: T201
    print(f"Measured with a load of {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.")  # noqa: T201


def _ratio(one: str, other: str, used: dict[str, list[float]]) -> str:
    logs = [math.log(a / b) for a, b in zip(used[one], used[other], strict=True)]
    found = mean_interval(logs, bounds=None)
    low, high = math.exp(found.low), math.exp(found.high)
    return f"{one} to {other}: {math.exp(found.mean):.3f}, 95 % interval {low:.3f} to {high:.3f}, {found.n} rounds"


def _config(upstream: str, *, bound: str = "", more: str = "") -> str:
    return f"""
[providers.chat]
kind = "openai_compatible"
base_url = "{upstream}"
[[models]]
name = "chat"
price = {{ input = 0.15, output = 0.6 }}
deployments = [{{ provider = "chat", model = "chat"{bound} }}]
{more}
"""


@contextlib.contextmanager
def _plain(upstream: str, home: Path, checkout: Path | None) -> Iterator[Target]:
    """Run a gateway with a key that is held to calls a minute and money in all."""
    environ = {} if checkout is None else {"PYTHONPATH": str(checkout.absolute()), "PYTHONSAFEPATH": "1"}
    with running_gateway(home, config=_config(upstream), environ=environ, fresh=True) as gateway:
        wish = '{"kind": "production", "owner": "bench", "use_case": "shop", "expires_in": 36000, '
        wish += '"limits": {"requests_per_minute": 1000000}, "budget": {"usd_total": 1000}}'
        command = [sys.executable, "-c", _SETUP, gateway.url, gateway.owner_token, wish]
        told = subprocess.run(
            command, env={**os.environ, **environ}, cwd=home, capture_output=True, text=True, check=True
        )
        url = f"{gateway.url}/v1/chat/completions"
        name = "a key alone" if checkout is None else "as it was"
        yield Target(name, url, told.stdout.strip(), Tree(gateway.process.pid))


@contextlib.contextmanager
def _governed(upstream: str, home: Path) -> Iterator[Target]:
    """Run this gateway with everything that governs."""
    bound = ", concurrent = 1000, tokens_per_minute = 1000000000"
    config = _config(upstream, bound=bound, more=f'{_RULES}\n[audit.bodies]\ndefault = "hash"\n')
    with running_gateway(home, config=config, fresh=True) as gateway:
        desk = KeyDesk(gateway.url, gateway.owner_token)
        wish = {"kind": "production", "owner": "bench", "use_case": "shop", "expires_in": 36_000, **_GOVERNED}
        key = str(desk.ask("POST", "/admin/v1/keys", wish, timeout=10)["key"])
        yield Target("governed", f"{gateway.url}/v1/chat/completions", key, Tree(gateway.process.pid))


if __name__ == "__main__":
    main()
