from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workbench.services.guard import DETACHED
from workbench.testing.simulator import wait_until

GUARD = [sys.executable, "-m", "workbench.services.guard"]
# Tells its own pid and that of a child in a session of its own, then stays.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(sys.argv[1] + ".draft", "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".draft", sys.argv[1])
time.sleep(600)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY
DETACHING = FAMILY.replace(
    "start_new_session=True)", "start_new_session=True, env={**os.environ, 'WORKBENCH_DETACHED': '1'})"
)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Guarded:
    def __init__(self, script: str, told: Path, *options: str) -> None:
        command = [*GUARD, *options, "--", sys.executable, "-c", script, str(told)]
        self.guard = subprocess.Popen(command, stdin=subprocess.PIPE)
        wait_until(told.exists, "the command did not start", seconds=30)
        self.command, self.child = (int(pid) for pid in told.read_text().split())

    def end(self) -> int:
        assert self.guard.stdin is not None
        self.guard.stdin.close()
        return self.guard.wait(timeout=30)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator:
    started: list[Guarded] = []

    def start(script: str, *options: str) -> Guarded:
        started.append(Guarded(script, tmp_path / "told", *options))
        return started[-1]

    yield start
    for one in started:
        one.guard.kill()
        one.guard.wait()
        if one.guard.stdin:
            one.guard.stdin.close()
        for pid in (one.command, one.child):
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)


def test_nothing_is_left_when_the_parent_closes_the_pipe(guarded):
    family = guarded(FAMILY)
    assert family.end() == 128 + signal.SIGTERM
    assert gone(family.command)
    assert gone(family.child)


def test_what_does_not_end_when_asked_is_killed(guarded):
    family = guarded(STUBBORN, "--grace", "0.3")
    assert family.end() == 128 + signal.SIGKILL
    assert gone(family.command)
    assert gone(family.child)


def test_nothing_is_left_when_the_parent_is_killed(tmp_path):
    told = tmp_path / "told"
    guard = [*GUARD, "--", sys.executable, "-c", FAMILY, str(told)]
    script = f"import subprocess, time\nsubprocess.Popen({guard!r}, stdin=subprocess.PIPE)\ntime.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait_until(told.exists, "the command did not start", seconds=30)
    pids = [int(pid) for pid in told.read_text().split()]
    parent.kill()
    parent.wait()
    for pid in pids:
        wait_until(lambda pid=pid: gone(pid), f"{pid} is an orphan")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_command_hears_when_the_guard_itself_is_killed(guarded):
    family = guarded(FAMILY)
    family.guard.kill()
    wait_until(lambda: gone(family.command), "the command goes on")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_guard_ends_the_command(guarded, number):
    family = guarded(FAMILY)
    family.guard.send_signal(number)
    family.guard.wait(timeout=30)
    assert gone(family.command)
    assert gone(family.child)


def test_shared_processes_are_spared(guarded):
    family = guarded(DETACHING)
    family.end()
    assert gone(family.command)
    assert not gone(family.child)
    assert DETACHED == "WORKBENCH_DETACHED"


def test_what_the_command_left_behind_ends_with_it(tmp_path):
    told = tmp_path / "told"
    script = FAMILY.replace("time.sleep(600)\n", "sys.exit(7)\n")
    guard = subprocess.Popen([*GUARD, "--", sys.executable, "-c", script, str(told)], stdin=subprocess.PIPE)
    assert guard.wait(timeout=30) == 7
    assert all(gone(int(pid)) for pid in told.read_text().split())
    guard.stdin.close()


def test_a_guard_is_small():
    script = "import sys, workbench.services.guard; sys.exit(any(m in sys.modules for m in ('pydantic', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0
