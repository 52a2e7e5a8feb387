"""Counters of several processes: a limit stays one limit, a cap one cap, and a dead process holds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget, Limits
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.measured import BySize
from workbench.gateway.admission.shared import SharedCounters
from workbench.gateway.ledger.reports import Spent
from workbench.wire.usage import Usage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="several workers need flock")

NewKey = Callable[..., tuple[Key, str]]
WORKER = """
import json, random, sys
from pathlib import Path
from workbench.errors import LimitExceeded
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget, Limits
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.gauge import Gauge
from workbench.gateway.admission.shared import SharedCounters
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.routing.models import Deployment
from workbench.wire.usage import Usage

worker, path, dies = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "dies"
key = Key(id="key_1", hash=b"", kind="production", owner="ana", note="", created_at=1.0, expires_at=None,
          limits=Limits(requests_per_minute=700), budget=Budget(usd_total=1.0))
desk = Admission(KeyTable(), SharedCounters(path, worker=worker))
desk.hold_to(key)
known = Entry(Rate(TokenPrices(0.0001, 0.001, 0.0001, 0.0001), "settings"))
where = Deployment(provider="p", kind="openai", model="m", region=None, capacity="on_demand", price=None)
chance = random.Random(worker)

class Asked:
    size, choices, output_limit = 100, 1, 10
    most = Usage(input_tokens=100)
    def with_output_limit(self, tokens):
        return None

admitted, spent, most, open_ = 0, 0.0, 0.0, []
print("ready", flush=True)
sys.stdin.readline()
for number in range(400):
    try:
        ticket = desk.admit(key, Asked())
        admitted += 1
        ticket.cover(Asked(), where, known)
        open_.append(ticket)
    except LimitExceeded:
        pass
    gauge = desk._gauges[key.id]
    assert gauge.room()[0] >= 0
    while open_ and (len(open_) > 3 or chance.random() < 0.5) and not dies:
        cost = 0.02 * chance.random()
        assert not open_.pop().settle(cost_usd=cost, tokens=1)
        spent += round(cost, 12)
if dies:
    print(json.dumps({"admitted": admitted, "held": len(open_)}), flush=True)
    sys.stdin.readline()
for ticket in open_:
    ticket.release()
print(json.dumps({"admitted": admitted, "spent": spent}), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "limits"
    SharedCounters.create(path)
    return path


def start(worker: int, path: Path, end: str = "ends") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(worker), str(path), end],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.fixture
def key(new_key: NewKey) -> Key:
    return new_key(id="key_1", limits=Limits(requests_per_minute=700), budget=Budget(usd_total=1.0))[0]


def test_three_processes_at_once_share_one_limit_and_one_cap_exactly(path: Path, key: Key) -> None:
    processes = [start(worker, path) for worker in range(3)]
    for process in processes:
        go(process)
    ends = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum(end["admitted"] for end in ends) == 700
    spent = sum(end["spent"] for end in ends)
    assert 0.9 < spent <= 1.0
    desk = Admission(KeyTable(), SharedCounters(path, worker=0))
    desk.hold_to(key)
    assert desk.left(key) == {"requests_per_minute": 0, "usd_total": pytest.approx(1.0 - spent)}


def test_what_a_killed_process_held_is_settled_as_spent(path: Path, key: Key) -> None:
    process = start(7, path, "dies")
    go(process)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["held"] == 50  # of 0.02 each
    counters = SharedCounters(path, worker=0)
    desk = Admission(KeyTable(), counters)
    desk.hold_to(key)
    assert desk.left(key)["usd_total"] == 0.0
    process.kill()
    process.communicate()
    assert counters.settle_dead(7) == told["admitted"]
    assert counters.settle_dead(7) == 0
    row = desk._gauges[key.id]._cells
    assert [row[place] for place in (6, 7, 8)] == [0, 0, 0]
    assert desk.left(key)["usd_total"] == 0.0


class _Asked:
    size = 10


def test_what_was_spent_before_is_taken_once(path: Path, key: Key) -> None:
    for worker in range(3):
        desk = Admission(KeyTable(), SharedCounters(path, worker=worker))
        desk.hold_to(key, spent=Spent(total=0.25))
        assert desk.left(key)["usd_total"] == 0.75


def test_what_nobody_can_spend_is_counted_as_far_as_a_row_can(path: Path, key: Key) -> None:
    SharedCounters.create(path)
    desk = Admission(KeyTable(), SharedCounters(path, worker=0))
    desk.hold_to(key)
    for _ in range(3):
        desk.admit(key, BySize(Usage())).settle(cost_usd=1e10, tokens=2**54)
    assert desk.left(key)["usd_total"] == 0.0


def test_a_new_gateway_begins_anew(path: Path, key: Key) -> None:
    desk = Admission(KeyTable(), SharedCounters(path, worker=0))
    desk.hold_to(key)
    desk.admit(key, _Asked())
    assert desk.left(key)["requests_per_minute"] == 699
    SharedCounters.create(path)
    desk = Admission(KeyTable(), SharedCounters(path, worker=0))
    desk.hold_to(key)
    assert desk.left(key)["requests_per_minute"] == 700


def test_many_keys_have_a_row_each(path: Path) -> None:
    counters = SharedCounters(path, worker=0)
    with counters.lock:
        for number in range(500):
            row, new = counters.row(f"key_{number}")
            assert new
            row[0] = number
        for number in range(500):
            row, new = counters.row(f"key_{number}")
            assert (row[0], new) == (number, False)
