"""Keys that live for seconds and a kernel that is busy for much longer: no call fails, and nothing is restarted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.jupyter import kernel_client, running_jupyter
from workbench.testing.simulator import SimulatedProviders, simulated_providers, wait_until
from workbench_jupyter.broker import Broker
from workbench_jupyter.mounts import Mounts
from workbench_jupyter.relay.process import RelayProcess

LIFE = 5  # seconds, the shortest that can be set
BUSY = 60  # seconds
CELL = f"""
import anthropic, json, openai, time
openai_client, anthropic_client = openai.OpenAI(max_retries=0), anthropic.Anthropic(max_retries=0)
hi, answered, failed = [{{"role": "user", "content": "hi"}}], 0, []
end = time.monotonic() + {BUSY}
while time.monotonic() < end:
    try:
        openai_client.chat.completions.create(model="gpt-4o-mini", messages=hi)
        anthropic_client.messages.create(model="claude-opus-4-1", max_tokens=9, messages=hi)
        answered += 2
    except Exception as error:
        failed.append(repr(error))
    time.sleep(0.25)
print(json.dumps({{"answered": answered, "failed": failed}}))
"""


def config(url: str) -> str:
    return f"""
[jupyter]
key_expires_in = {LIFE}
[providers.openai]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[providers.anthropic]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
[[models]]
name = "gpt-4o-mini"
[[models.deployments]]
provider = "openai"
model = "gpt-4o-mini"
"""


@pytest.fixture
def providers() -> Iterator[SimulatedProviders]:
    with simulated_providers() as simulated:
        yield simulated


@pytest.fixture
def gateway(home: Path, providers: SimulatedProviders, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningGateway]:
    """A gateway of the home that the server finds by its URL and the owner's token."""
    with running_gateway(home, config=config(providers.url), environ={"SIM_KEY": providers.credential}) as running:
        monkeypatch.setenv("WORKBENCH_GATEWAY_URL", running.url)
        yield running


async def wait_for(look: Any, *, within: float = 30.0) -> None:
    """Wait until `look` returns something true."""
    async with asyncio.timeout(within):
        while not look():  # noqa: ASYNC110 - it looks at files and processes, which set no event
            await asyncio.sleep(0.05)


def key_in(environ: dict[str, str]) -> str | None:
    return json.loads(Path(environ["WORKBENCH_KEY_FILE"]).read_text()).get("key")


def started_again(gateway: RunningGateway, home: Path, providers: SimulatedProviders) -> subprocess.Popen[bytes]:
    """Start the next gateway at the same address."""
    port = gateway.url.rpartition(":")[2]
    return subprocess.Popen(
        [sys.executable, "-m", "workbench.gateway", "--port", port, "--config", str(home / "workbench.toml")],
        env={**os.environ, "SIM_KEY": providers.credential},
    )


async def mounted(work: Any) -> Any:
    """Run `work` with the environment of a kernel that is mounted, and its mounts."""
    mounts = Mounts(Broker())
    mounts.relay = RelayProcess()
    try:
        return await work(await mounts.mount("k", dict(os.environ)), mounts)
    finally:
        await mounts.close()


@pytest.mark.timeout(600)
def test_a_busy_cell_of_a_minute_outlives_a_dozen_keys_of_five_seconds(
    gateway: RunningGateway, home: Path, tmp_path: Path
) -> None:
    with running_jupyter(home, tmp_path) as jupyter:
        kernel = kernel_client(jupyter.url, token=jupyter.token)
        kernel.start()
        (key_file,) = home.glob("run/jupyter/*/*.json")
        keys, ended = set(), threading.Event()

        def look() -> None:
            while not ended.wait(0.2):
                keys.add(json.loads(key_file.read_text()).get("key"))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            ran = kernel.execute(CELL, timeout=4 * BUSY)
        finally:
            ended.set()
            looking.join()
        (said,) = [output["text"] for output in ran["outputs"]]
        told = json.loads(said)
        kernel.stop(shutdown_kernel=True)
    assert told["failed"] == []
    assert told["answered"] > 20
    assert len(keys) > BUSY / LIFE


def test_a_call_that_began_with_a_key_runs_to_its_end_though_the_key_ends(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    key = gateway.issue_key(expires_in=2)
    providers.fail("slow", seconds=0.5)
    began = time.monotonic()
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "a b c d e f g h"}]}
    headers = {"authorization": f"Bearer {key}"}
    with httpx.stream("POST", f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=60) as answer:
        raw = b"".join(answer.iter_raw())
    assert time.monotonic() - began > 2
    assert raw.endswith(b"data: [DONE]\n\n")
    assert httpx.get(f"{gateway.url}/me", headers=headers).status_code == 401


def test_a_gateway_that_is_away_is_told_only_once_the_key_has_ended_and_heals_by_itself(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    async def work(environ: dict[str, str], mounts: Mounts) -> None:
        os.kill(gateway.process.pid, signal.SIGSTOP)
        try:
            assert key_in(environ)
            await wait_for(lambda: not key_in(environ))
            assert mounts.all[0].error is not None
        finally:
            os.kill(gateway.process.pid, signal.SIGCONT)
        await wait_for(lambda: key_in(environ))
        answer = await asyncio.to_thread(
            httpx.get,
            environ["OPENAI_BASE_URL"] + "/models",
            headers={"authorization": f"Bearer {environ['OPENAI_API_KEY']}"},
        )
        assert answer.status_code == 200

    asyncio.run(mounted(work))


def test_what_ends_with_its_kernel_are_all_its_keys(gateway: RunningGateway) -> None:
    async def work(environ: dict[str, str], mounts: Mounts) -> tuple[str | None, str | None]:
        first = key_in(environ)
        await wait_for(lambda: key_in(environ) != first)
        second = key_in(environ)
        await mounts.unmount("k")
        return first, second

    for key in asyncio.run(mounted(work)):
        assert httpx.get(f"{gateway.url}/me", headers={"authorization": f"Bearer {key}"}).status_code == 401


def test_a_gateway_that_is_killed_is_told_soon_and_one_that_comes_back_heals_it(
    home: Path, gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    def ask(environ: dict[str, str]) -> httpx.Response:
        headers = {"authorization": f"Bearer {environ['OPENAI_API_KEY']}"}
        return httpx.get(environ["OPENAI_BASE_URL"] + "/models", headers=headers, timeout=30)

    async def work(environ: dict[str, str], mounts: Mounts) -> None:
        assert ask(environ).status_code == 200
        gateway.process.kill()
        gateway.process.wait()
        began = time.monotonic()
        refused = await asyncio.to_thread(ask, environ)
        assert time.monotonic() - began < 8  # three seconds, and slack for a machine that is busy
        assert refused.status_code == 503
        assert refused.headers["x-should-retry"] == "false"
        assert "does not answer" in refused.json()["error"]["message"]
        again = started_again(gateway, home, providers)
        try:
            await wait_for(lambda: ask(environ).status_code == 200, within=60)
        finally:
            again.terminate()
            again.wait()

    asyncio.run(mounted(work))


def test_a_relay_that_is_killed_is_back_at_the_same_address_before_the_next_call_fails(
    gateway: RunningGateway,
) -> None:
    async def work(environ: dict[str, str], mounts: Mounts) -> None:
        relay = mounts.relay
        assert relay is not None
        first = relay.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        headers = {"authorization": f"Bearer {environ['OPENAI_API_KEY']}"}
        await wait_for(lambda: relay.pid not in (None, first))
        answer = await asyncio.to_thread(httpx.get, environ["OPENAI_BASE_URL"] + "/models", headers=headers, timeout=30)
        assert answer.status_code == 200

    asyncio.run(mounted(work))


def test_a_relay_ends_with_a_server_that_is_killed(home: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from workbench_jupyter.relay.process import RelayProcess\n"
        "relay = RelayProcess(); relay.start(Path(sys.argv[1]), home=Path(sys.argv[1])); relay.settled(60)\n"
        "print(relay.url, relay.pid, flush=True); time.sleep(600)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url, pid = server.stdout.readline().split()
    assert httpx.get(url).status_code == 401
    server.kill()
    server.wait()
    server.stdout.close()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the relay lives on", seconds=30)
