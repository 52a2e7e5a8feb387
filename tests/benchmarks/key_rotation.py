"""A busy process whose key is renewed: `python tests/benchmarks/key_rotation.py [--minutes 10 --life 60 --rate 20]`.

It has the environment of a kernel and one plain `openai.OpenAI()`, and makes its calls at a steady rate through the
relay; every tenth goes to the gateway itself with the key of the moment. Prints failures, latencies and their ratio,
and the relay's CPU and memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from workbench.testing.gateway import running_gateway
from workbench.testing.simulator import simulated_providers
from workbench_jupyter.broker import Broker
from workbench_jupyter.mounts import Mounts
from workbench_jupyter.relay.process import RelayProcess

BUSY = """
import json, os, sys, time
import openai
seconds, rate = float(sys.argv[1]), float(sys.argv[2])
relayed = openai.OpenAI(max_retries=0)
direct = openai.OpenAI(base_url=os.environ["WORKBENCH_GATEWAY_URL"] + "/v1", max_retries=0)
hi, took, failed = [{"role": "user", "content": "hi"}], {"relayed": [], "direct": []}, []
began, number = time.monotonic(), 0
while (now := time.monotonic()) < began + seconds:
    if (early := began + number / rate - now) > 0:
        time.sleep(early)
    number += 1
    way = "direct" if number % 10 == 0 else "relayed"
    if way == "direct":
        direct.api_key = json.load(open(os.environ["WORKBENCH_KEY_FILE"]))["key"]
    at = time.perf_counter()
    try:
        {"relayed": relayed, "direct": direct}[way].chat.completions.create(model="gpt-4o-mini", messages=hi)
        took[way].append(time.perf_counter() - at)
    except Exception as error:
        failed.append(repr(error))
print(json.dumps({"took": took, "failed": failed}))
"""
CONFIG = """
[jupyter]
key_expires_in = {life}
[providers.openai]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[[models]]
name = "gpt-4o-mini"
[[models.deployments]]
provider = "openai"
model = "gpt-4o-mini"
"""


async def run(minutes: float, rate: float) -> dict[str, Any]:
    """Mount, be busy, and return what the process and the relay had to tell."""
    mounts = Mounts(Broker())
    mounts.relay = RelayProcess()
    try:
        environ = await mounts.mount("busy", dict(os.environ))
        assert "WORKBENCH_RELAY_URL" in environ, mounts.relay.problem
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", BUSY, str(minutes * 60), str(rate), env=environ, stdout=subprocess.PIPE
        )
        relay = psutil.Process(mounts.relay.pid)
        before = sum(relay.cpu_times()[:2])
        keys, told = set(), asyncio.ensure_future(child.communicate())
        while not told.done():
            keys.add(mounts.all[0].key_id)
            await asyncio.sleep(0.5)
        cpu = sum(relay.cpu_times()[:2]) - before
        return {**json.loads((await told)[0]), "keys": len(keys), "cpu": cpu, "rss": relay.memory_info().rss}
    finally:
        await mounts.close()


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--life", type=int, default=60, help="of a key, in seconds")
    parser.add_argument("--rate", type=float, default=20, help="requests a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, simulated_providers() as providers:
        home = Path(folder)
        config = CONFIG.format(url=providers.url, life=options.life)
        with running_gateway(home, config=config, environ={"SIM_KEY": providers.credential}) as gateway:
            os.environ |= {"WORKBENCH_HOME": folder, "WORKBENCH_GATEWAY_URL": gateway.url}
            os.environ["WORKBENCH_CONFIG"] = str(home / "workbench.toml")
            os.environ["SIM_KEY"] = providers.credential
            told = asyncio.run(run(options.minutes, options.rate))
    sys.stdout.write(report(told))


def report(told: dict[str, Any]) -> str:
    """Return the figures in words."""
    took = {way: sorted(seconds) for way, seconds in told["took"].items()}
    calls, directly = len(took["relayed"]), len(took["direct"])
    failed = told["failed"]
    lines = [f"{calls + directly} calls, {told['keys']} keys, {len(failed)} failed {failed[:3]}"]
    for way, seconds in took.items():
        median, slow = (seconds[len(seconds) * share // 100] * 1e3 for share in (50, 99))
        lines.append(f"{way}: median {median:.2f} ms, 99% {slow:.2f} ms")
    ratio = took["relayed"][calls // 2] / took["direct"][directly // 2]
    cpu, memory = told["cpu"] / calls * 1e6, told["rss"] >> 20
    lines.append(f"ratio of medians {ratio:.2f}; relay: {cpu:.0f} us of CPU a call, {memory} MiB")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
