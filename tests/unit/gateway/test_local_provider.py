"""The child process of the embedded models, with a stand-in that keeps the same contract."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from workbench.errors import InvalidInput, Unavailable
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.kinds import Needs
from workbench.gateway.providers.local import LocalProvider, _Ready
from workbench.gateway.providers.provider import ConnectionDropped
from workbench.gateway.unified.operations import CHAT, COMPLETIONS
from workbench.settings.tables import ProviderSettings, Timeouts

STAND_IN = """
import asyncio, json, os, pathlib, sys, threading
home = pathlib.Path(sys.argv[sys.argv.index("--home") + 1])
with (home / "starts").open("a") as starts:
    starts.write(f"{os.getpid()}\\n")
async def answer(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\\r\\n")[0])
    body = json.loads(await reader.readexactly(length))
    if body["model"] == "crash":
        os._exit(7)
    status, told = 200, {"choices": [], "pid": os.getpid(), "model": body["model"]}
    if b"authorization: bearer t0ken" not in head.lower():
        status, told = 401, {}
    elif body["model"] == "no-weights":
        message = "No weights. `workbench models pull x` gets them."
        status, told = 503, {"error": {"message": message, "code": "missing_weights"}}
    text = json.dumps(told).encode()
    head = "HTTP/1.1 %d OK\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n"
    writer.write((head % (status, len(text))).encode() + text)
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(json.dumps({"url": "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1], "token": "t0ken"}), flush=True)
    print("and more " * 50000, flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[str], LocalProvider]]:
    client = HttpClient(Timeouts())
    await client.open()
    made: list[LocalProvider] = []

    def make(script: str) -> LocalProvider:
        path = tmp_path / "child.py"
        path.write_text(script)
        made.append(
            LocalProvider(
                "local", client=client, home=tmp_path, timeouts=Timeouts(), command=(sys.executable, str(path))
            )
        )
        return made[-1]

    yield make
    for provider in made:
        await provider.close()
    await client.close()


def starts(home: Path) -> list[int]:
    return [int(line) for line in (home / "starts").read_text().split()]


def ask(model: str):
    return CHAT.parse(b'{"model": "x", "messages": [{"role": "user", "content": "hi"}]}', {}), model


async def test_the_child_starts_with_the_first_call_and_serves_the_next(start, tmp_path: Path) -> None:
    provider = start(STAND_IN)
    assert not (tmp_path / "starts").exists()
    for _ in range(3):
        assert b'"model": "m"' in (await provider.answer(*ask("m"))).body
    assert len(starts(tmp_path)) == 1


async def test_an_operation_that_it_has_not_is_refused_by_name(start) -> None:
    with pytest.raises(InvalidInput, match="completions") as caught:
        await start(STAND_IN).answer(COMPLETIONS.parse(b'{"model": "x", "prompt": "hi"}', {}), "m")
    assert caught.value.error_code == "unsupported_operation"


async def test_many_first_calls_start_one_child(start, tmp_path: Path) -> None:
    import asyncio

    provider = start(STAND_IN)
    await asyncio.gather(*(provider.answer(*ask("m")) for _ in range(8)))
    assert len(starts(tmp_path)) == 1


async def test_a_first_caller_who_leaves_does_not_stop_the_start(start, tmp_path: Path) -> None:
    import asyncio

    provider = start(STAND_IN)
    first = asyncio.create_task(provider.prepare())
    second = asyncio.create_task(provider.answer(*ask("m")))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).body
    assert len(starts(tmp_path)) == 1


async def test_a_child_that_was_killed_is_started_again(start, tmp_path: Path) -> None:
    provider = start(STAND_IN)
    await provider.answer(*ask("m"))
    os.kill(starts(tmp_path)[0], signal.SIGKILL)
    psutil.wait_procs([p for p in psutil.Process().children() if p.pid == starts(tmp_path)[0]], timeout=0)
    body = b""
    while not body:
        try:
            body = (await provider.answer(*ask("m"))).body
        except ConnectionDropped:
            continue
    assert len(starts(tmp_path)) == 2


async def test_a_child_that_dies_in_mid_call_is_told_with_its_exit_code(start, tmp_path: Path) -> None:
    provider = start(STAND_IN)
    with pytest.raises(ConnectionDropped, match="exit code 7"):
        await provider.answer(*ask("crash"))
    assert (await provider.answer(*ask("m"))).body


async def test_what_the_child_says_of_missing_weights_arrives(start) -> None:
    with pytest.raises(Unavailable, match="workbench models pull x") as caught:
        await start(STAND_IN).answer(*ask("no-weights"))
    assert caught.value.error_code == "missing_weights"


@pytest.mark.parametrize(("script", "reason"), [
    ("raise SystemExit('no engine here')", "no engine here"), ("print('hello')", "not what was agreed"),
    ("import sys; sys.exit(3)", "exit code 3"),
])  # fmt: skip
async def test_a_start_that_fails_is_told_with_its_reason_and_tried_again(start, script: str, reason: str) -> None:
    provider = start(script)
    for _ in range(2):
        with pytest.raises(Unavailable, match=reason) as caught:
            await provider.answer(*ask("m"))
        assert caught.value.status == 503


async def test_closing_ends_the_child(start, tmp_path: Path) -> None:
    provider = start(STAND_IN)
    await provider.answer(*ask("m"))
    (pid,) = starts(tmp_path)
    await provider.close()
    assert not psutil.pid_exists(pid)
    with pytest.raises(Unavailable):
        await provider.answer(*ask("m"))


async def test_a_log_that_cant_be_opened_is_told_with_the_reason(
    start: Callable[[str], LocalProvider], tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    with pytest.raises(Unavailable) as caught:
        await start(STAND_IN).prepare()
    assert caught.value.error_code == "local_unavailable"


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    settings = ProviderSettings(kind="openai_compatible", base_url="http://127.0.0.1:9")
    needs = Needs("acme", settings, "http://127.0.0.1:9", "s3cret", HttpClient(Timeouts()), Timeouts(), tmp_path)
    assert "s3cret" not in repr(needs)
    assert "s3cret" not in repr(_Ready(url="http://127.0.0.1:9", token="s3cret"))
