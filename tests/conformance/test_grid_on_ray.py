"""The same grid on a real local Ray: the same journal, the same result, and no key where Ray keeps things."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray

from workbench.client import Gateway
from workbench.errors import GatewayUnreachable, InvalidInput, Unavailable
from workbench.evidence import Dataset, exact_match
from workbench.experiments import Candidate, grid, run
from workbench.experiments.calls import ray_backend
from workbench.experiments.calls.call import Call
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers

# Ray gives its own processes 15 seconds to start: it is tried where nothing else runs.
pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]


def test_ray_finds_what_this_process_finds_and_neither_pays_for_the_other_s_cells(tmp_path: Path, home: Path) -> None:
    rows = [{"id": f"q{i}", "inputs": {"q": str(i)}, "expected": f"echo: say {i}"} for i in range(12)]
    data = Dataset.from_rows(rows, name="numbers")
    deadly = Candidate("deadly", call=partial(_deadly, os.getpid(), tmp_path / "died"))
    candidates = [
        deadly,
        *grid({"say": "say {{q}}", "tell": "tell {{q}}"}, ["chatty"]),
        Candidate("broken", call=_broken),
    ]
    with simulated_providers() as providers, simulated_gateway(tmp_path / "gateway", providers) as running:
        key = running.issue_key()
        with Gateway(url=running.url, key=key) as gateway:
            options = {"gateway": gateway, "track": False, "progress": False, "concurrency": 1}
            run("here", candidates, data.head(4), [exact_match()], **options)  # type: ignore[call-overload]
            assert len(providers.requests) == 8
            there = run("there", candidates, data, [exact_match()], backend="ray", **options)  # type: ignore[call-overload]
            assert len(providers.requests) == 24
            again = run("again", candidates, data, [exact_match()], **options)  # type: ignore[call-overload]
            assert len(providers.requests) == 24
    same = ["candidate", "example_id", "output", "cost_usd", "request_id", "score.exact_match"]
    assert there.cells[same].equals(again.cells[same])
    assert there.table()["score.exact_match"].tolist()[:3] == [0, 1, 0]
    broken = there.cells[there.cells["error"].notna()]
    assert set(broken["candidate"]) == {"broken"}
    assert "ValueError: broken" in set(broken["error"])
    assert (tmp_path / "died").exists()  # and neither its call nor those after it were lost
    assert not ray.is_initialized()
    assert list((home / "run").glob("ray-*")) == []
    logs = Path("/tmp/ray/session_latest/logs")
    assert not [path for path in logs.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]


def _deadly(driver: int, died: Path, inputs: dict[str, str]) -> str:
    """End the actor that is asked first."""
    if os.getpid() != driver and not died.exists():
        died.touch()
        os._exit(1)
    return "alive"


def _broken(inputs: dict[str, str]) -> str:
    raise ValueError("broken")


class _Refused:
    """A client that finds no gateway."""

    def chat(self, messages: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
        raise GatewayUnreachable("The gateway does not answer.") from ConnectionRefusedError("refused")

    embed = chat


def test_a_refused_connection_is_known_as_one_where_the_call_was_asked_for() -> None:
    caller = ray_backend._Caller(None, pickle.dumps(_Refused()), 1)
    made = asyncio.run(caller.send(Call(None, "m", [{"role": "user", "content": "hi"}]), None))
    travelled = pickle.loads(pickle.dumps(made))
    assert isinstance(travelled.error, GatewayUnreachable)
    assert travelled.never_left


def test_a_cluster_that_does_not_start_leaves_no_key_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        assert list((home / "run").glob("ray-*")) != []
        raise Unavailable("Ray did not start.")

    async def begin(gateway: Any) -> None:
        ray_backend.RayBackend().sender(gateway, concurrency=1)

    monkeypatch.setattr(ray_backend, "_start", refuse)
    with Gateway(url="http://127.0.0.1:9", key="k") as gateway, pytest.raises(Unavailable):
        asyncio.run(begin(gateway))
    assert list((home / "run").glob("ray-*")) == []
    monkeypatch.setattr(ray_backend, "_start", lambda: pytest.fail("a cluster is started for nothing"))
    with pytest.raises(InvalidInput, match="can't travel"):
        asyncio.run(begin(threading.Lock()))
