from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from workbench.gateway.embedded import living_leases
from workbench.services import Lease, held_leases
from workbench.services.leases import is_held

HOLD = (
    "import sys, time; from pathlib import Path; from workbench.services import Lease; "
    "lease = Lease(Path(sys.argv[1])); print(lease.id, flush=True); time.sleep(600)"
)


def test_a_lease_is_held_until_it_is_released(tmp_path: Path) -> None:
    with Lease(tmp_path) as lease:
        assert lease.held
        assert [held.id for held in held_leases(tmp_path)] == [lease.id]
        assert living_leases(tmp_path / "leases") == {lease.id}
    assert not lease.held
    assert held_leases(tmp_path) == []
    lease.release()


def test_the_gateway_sees_a_released_lease_as_gone_and_takes_its_file_away(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    lease.release()
    assert (tmp_path / "leases" / f"{lease.id}.lock").exists()
    assert living_leases(tmp_path / "leases") == set()
    assert list((tmp_path / "leases").iterdir()) == []


def test_a_killed_process_gives_its_lease_up(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    (held,) = held_leases(tmp_path)
    assert (held.id, held.pid) == (name, holder.pid)
    holder.kill()
    holder.communicate()
    assert held_leases(tmp_path) == []


def test_asking_does_not_make_a_lease_that_is_not_there(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "leases" / "nobody.lock")
    assert list(tmp_path.iterdir()) == []


def test_no_lease_is_lost_to_a_gateway_that_clears_up_at_the_same_time(tmp_path: Path) -> None:
    over = threading.Event()

    def clear_up() -> None:
        while not over.is_set():
            living_leases(tmp_path / "leases")

    thread = threading.Thread(target=clear_up)
    thread.start()
    try:
        leases = [Lease(tmp_path) for _ in range(60)]
    finally:
        over.set()
        thread.join()
    assert living_leases(tmp_path / "leases") == {lease.id for lease in leases}
    for lease in leases:
        lease.release()


def test_any_thread_may_release(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    thread = threading.Thread(target=lease.release)
    thread.start()
    thread.join()
    assert held_leases(tmp_path) == []
