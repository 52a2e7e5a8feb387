"""One gateway per home, for as long as somebody uses it: the lock, `gateway.json`, and the watch over user leases.

A user lease is a lock that a process holds on a file below `leases/`. A file whose lock can be taken belongs to a
process that is gone; the keys that were issued with that lease end with it. No lease left: nobody uses the gateway.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.errors import Conflict, Unavailable
from workbench.gateway.parts import Parts
from workbench.wire.embedded import LEASES, RECORD, GatewayRecord, write_record

_log = logging.getLogger("workbench.gateway.embedded")

GRACE_SECONDS = 10.0
POLL_SECONDS = 1.0
_CLAIM_SECONDS = 10.0
"""How long the gateway before this one may take to end."""


class Embedding:
    """The claim of one gateway on a home."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._home = home
        self._record = home / RECORD
        self._leases = home / LEASES
        self._lock = FileLock(home / "gateway.lock", thread_local=False)
        self._url = ""
        self._announced = False

    def claim(self) -> None:
        """Take the home; raises Conflict if another gateway has it."""
        try:
            self._lock.acquire(timeout=_CLAIM_SECONDS)
        except Timeout as error:
            raise Conflict(
                f"An embedded gateway runs for {self._home} already.", hint=f"Its address is in {self._record}."
            ) from error

    def announce(self, url: str) -> None:
        """Write where the gateway is, for those who attach."""
        self._url = url
        write_record(self._home, GatewayRecord(pid=os.getpid(), url=url))
        self._announced = True

    def release(self) -> None:
        """Give the home back."""
        self._record.unlink(missing_ok=True)
        self._lock.release()

    async def watch(self, gateway: Parts, *, leave: Callable[[], None]) -> None:
        """Revoke the keys of leases that are gone, each second; call `leave` when no lease is left."""
        started = time.monotonic()
        while True:
            try:
                if self._url and not self._announced:  # taken back by a look that then failed
                    self.announce(self._url)
                living = await end_keys_without_lease(gateway, self._leases)
                if not living and time.monotonic() - started > GRACE_SECONDS and self._withdraw():
                    leave()
                    return
            except Exception as error:  # noqa: BLE001 - the next look may go well; nobody is gone for sure
                _log.warning("the leases can't be looked through: %r", error, exc_info=not _expected(error))
            await asyncio.sleep(POLL_SECONDS)

    def _withdraw(self) -> bool:
        """Take the address back; return whether there is still nobody who wants the gateway.

        Users take their lease before they look for the address, so one of the two is always seen.
        """
        self._record.unlink(missing_ok=True)
        self._announced = False
        if living_leases(self._leases):
            self.announce(self._url)
            return False
        return True


def _expected(error: Exception) -> bool:
    return isinstance(error, OSError | Unavailable)


def living_leases(folder: Path) -> set[str]:
    """Return the leases that are held; files of dead ones are removed. Blocks, briefly."""
    living = set()
    for path in folder.glob("*.lock"):
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            living.add(path.stem)
            continue
        # Removed while it is locked: a holder that waits for it finds its file gone and makes a new one.
        path.unlink(missing_ok=True)
        lock.release()
    return living


async def end_keys_without_lease(gateway: Parts, folder: Path) -> set[str]:
    """Revoke the live keys whose lease is not held; return the leases that are.

    The keys are looked up first: a lease is taken before its keys are issued, so one that is new is never missed.
    """
    leased = gateway.keys.leased()
    living = await asyncio.to_thread(living_leases, folder)
    await gateway.issuer.revoke_all([key for lease, keys in leased.items() if lease not in living for key in keys])
    return living
