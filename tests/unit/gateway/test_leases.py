"""The watch over user leases."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from workbench.errors import Conflict
from workbench.gateway import embedded
from workbench.gateway.access.keys import Key
from workbench.gateway.embedded import Embedding, end_keys_without_lease, living_leases
from workbench.gateway.parts import Parts
from workbench.settings import load_settings
from workbench.wire.embedded import read_record

HOLDER = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


def test_a_held_lease_lives_and_a_dead_one_is_removed(tmp_path: Path) -> None:
    (tmp_path / "dead.lock").touch()
    with FileLock(tmp_path / "alive.lock"):
        assert living_leases(tmp_path) == {"alive"}
        assert [path.name for path in tmp_path.iterdir()] == ["alive.lock"]
    assert living_leases(tmp_path) == set()
    assert living_leases(tmp_path / "nowhere") == set()


def test_the_lease_of_a_killed_process_is_dead(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "x.lock")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert living_leases(tmp_path) == {"x"}
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert living_leases(tmp_path) == set()


async def test_keys_end_with_their_lease(home: Path, new_key: Callable[..., tuple[Key, str]]) -> None:
    parts = Parts(load_settings())
    await parts.open()
    held, gone, free = new_key(lease="held")[0], new_key(lease="gone")[0], new_key()[0]
    for key in (held, gone, free):
        parts.keys.put(key)
    (home / "leases").mkdir()
    with FileLock(home / "leases" / "held.lock"):
        assert await end_keys_without_lease(parts, home / "leases") == {"held"}
    assert [key.revoked_at is not None for key in map(parts.keys.get, (held.id, gone.id, free.id)) if key] == [
        False,
        True,
        False,
    ]
    await parts.close()


def test_a_home_has_one_embedded_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_CLAIM_SECONDS", 0.05)
    first, second = Embedding(tmp_path), Embedding(tmp_path)
    first.claim()
    with pytest.raises(Conflict):
        second.claim()
    first.announce("http://127.0.0.1:1")
    assert read_record(tmp_path) is not None
    first.release()
    assert read_record(tmp_path) is None
    second.claim()
    second.release()


async def test_the_watch_outlives_what_goes_wrong_and_leaves_no_gateway_unfindable(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(embedded, "POLL_SECONDS", 0.01)
    parts = Parts(load_settings())
    await parts.open()
    embedding = Embedding(home)
    embedding.announce("http://127.0.0.1:1")
    (home / "leases").mkdir()
    looks: list[bool] = []
    look = embedded.living_leases
    outcomes: list[Exception | set[str]] = [
        RuntimeError("at the first look"), set(), OSError("after the address was taken back"), {"held"},
    ]  # fmt: skip

    def scripted(folder: Path) -> set[str]:
        looks.append(read_record(home) is not None)
        if not outcomes:
            return look(folder)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(embedded, "living_leases", scripted)
    left = asyncio.Event()
    await asyncio.wait_for(embedding.watch(parts, leave=left.set), 30)
    assert left.is_set()
    # Not there only while it is taken back, which first fails and then ends the watch.
    assert looks == [True, True, False, True, True, False]
    await parts.close()
