"""The pace of one model: it learns from headers, waits where little is left, and processes of a user take turns."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.client.limits import Allowance, RateLimits, read_limits
from workbench.experiments.calls.limiter import Lane
from workbench.experiments.calls.pace import Pace


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pace(home: Path, clock: Clock) -> Pace:
    return Pace(home, "http://gateway", "m", clock=clock)


def requests(limit: int, remaining: int, reset: float) -> RateLimits:
    return RateLimits(requests=Allowance(limit, remaining, reset))


def test_headers_of_the_gateway_and_of_providers_are_read() -> None:
    head = {f"x-ratelimit-{name}-requests": value for name, value in {"limit": "60", "remaining": "7"}.items()}
    for text, seconds in {"59s": 59, "1m30s": 90, "20ms": 0.02, "3": 3, "6m0s": 360}.items():
        found = read_limits({**head, "x-ratelimit-reset-requests": text})
        assert found == RateLimits(requests=Allowance(60, 7, seconds))
    assert read_limits(head) is None
    assert read_limits({**head, "x-ratelimit-reset-requests": "soon"}) is None


def test_nothing_is_waited_for_where_nothing_is_told(home: Path, clock: Clock) -> None:
    one = pace(home, clock)
    assert [one.take(1000) for _ in range(100)] == [0] * 100


def test_calls_are_spaced_once_little_is_left(home: Path, clock: Clock) -> None:
    one = pace(home, clock)
    one.told(requests(60, 14, 60))
    begun = [one.take() for _ in range(3)]
    assert begun == [0, 0, 0]  # 12 of 60 are the fifth from which on calls are spaced
    waits = []
    for _ in range(200):
        if one.take() == 0:
            waits.append(clock.now)
        clock.now += 0.1
    assert 17 <= len(waits) <= 20  # one a second, which 60 a minute bear for ever


def test_after_a_refusal_nobody_begins_before_its_time(home: Path, clock: Clock) -> None:
    one, other = pace(home, clock), pace(home, clock)
    one.refused(5)
    assert other.take() > 0
    clock.now += 4.9
    assert other.take() > 0
    clock.now += 0.2
    assert other.take() == 0


def test_a_limit_of_tokens_counts_what_calls_are_expected_to_use(home: Path, clock: Clock) -> None:
    one = pace(home, clock)
    one.told(RateLimits(tokens=Allowance(10_000, 9_000, 60)))
    assert [one.take(3_000) for _ in range(2)] == [0, 0]
    assert one.take(3_500) > 0
    clock.now += 61  # all of it is there again
    assert one.take(3_500) == 0


def test_a_clock_that_was_changed_and_a_file_that_was_cut_stop_nobody(home: Path, clock: Clock) -> None:
    one = pace(home, clock)
    one.refused(30)
    one.told(requests(10, 0, 60))
    clock.now -= 100_000
    assert one.take() == 0
    one.path.write_text(one.path.read_text()[:20])
    assert one.take() == 0
    assert one.path.stat().st_mode & 0o077 == 0


def test_two_kernels_take_turns_where_little_is_left(home: Path, clock: Clock) -> None:
    one, other = pace(home, clock), pace(home, clock)
    for _ in range(50):  # one has run alone for a while
        one.take()
    begun = {"one": 0, "other": 0}
    for _ in range(4_000):
        one.told(requests(60, 6, 60))
        begun["one"] += one.take() == 0
        begun["other"] += other.take() == 0
        clock.now += 0.05
    assert sum(begun.values()) > 100
    assert abs(begun["one"] - begun["other"]) <= 2


def test_a_kernel_that_was_killed_holds_nobody_up(home: Path, clock: Clock) -> None:
    one, other = pace(home, clock), pace(home, clock)
    one.told(requests(60, 2, 60))
    for _ in range(3):
        one.take()
    assert other.take() > 0  # it waits, and is heard of no more
    clock.now += 5
    assert one.take() == 0


SENDER = """
import json, sys
from pathlib import Path
from workbench.experiments.calls.pace import Pace
pace = Pace(Path(sys.argv[1]), "http://gateway", "m")
for _ in range(300):
    pace.take()
print(json.dumps(True))
"""


def test_processes_that_write_at_once_lose_no_count(home: Path, clock: Clock) -> None:
    pace(home, clock).told(requests(1, 1, 1))  # makes the file
    Pace(home, "http://gateway", "m").told(requests(10_000, 10_000, 500))
    command = [sys.executable, "-c", SENDER, str(home)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [json.loads(process.communicate(timeout=60)[0]) for process in running] == [True, True]
    (file,) = (home / "limits").iterdir()
    assert json.loads(file.read_text())["requests"]["left"] == 10_000 - 600


def test_a_lane_is_narrowed_by_refusals_and_widened_by_answers() -> None:
    async def live() -> list[int]:
        lane, most = Lane(None, 8), []

        async def at_once() -> int:
            count = 0
            for _ in range(8):
                try:
                    await asyncio.wait_for(lane.enter(0), 0.01)
                except TimeoutError:
                    break
                count += 1
            for _ in range(count):
                lane.leave()
            return count

        most.append(await at_once())
        lane.refused(0.0)
        lane.refused(0.0)  # of the same moment: it counts once
        most.append(await at_once())
        for _ in range(60):
            lane.told(None)
        most.append(await at_once())
        return most

    assert asyncio.run(live()) == [8, 4, 8]


def test_a_writer_that_is_killed_holds_no_lock(home: Path, clock: Clock) -> None:
    one = pace(home, clock)
    holds = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 2), fcntl.LOCK_EX); print(1, flush=True); input()"
    one.take()
    process = subprocess.Popen(
        [sys.executable, "-c", holds, str(one.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert one.take() == 0
