"""The keys of one server's kernels: one for each, from before it starts until it ends.

A kernel is never kept from starting: where there is no key its file tells why, and the key follows when it can.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.errors import Conflict, NotFound, Unavailable, WorkbenchError
from workbench.wire.key_file import MountedKey, read_key_file, write_key_file, write_key_problem
from workbench_jupyter import renewal
from workbench_jupyter.broker import Broker
from workbench_jupyter.plan import Plan, environment, plan, without_key_file
from workbench_jupyter.relay.process import RelayProcess
from workbench_jupyter.relay.reference import new_reference, write_reference
from workbench_jupyter.runtime_folder import RuntimeFolder
from workbench_jupyter.variables import STARTING

_PATIENCE = 6.0  # seconds that a kernel's start waits for a gateway that starts; clients give up on a start after 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries to mount late
_PARTING = 5.0  # seconds for revoking all keys when the server stops
_NOTHING = Plan(())
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mounted:
    """What one kernel has."""

    kernel_id: str
    """The kernel."""
    plan: Plan = _NOTHING
    """Which SDKs are mounted."""
    key_id: str | None = None
    """Its key's id; None while it has none."""
    expires_at: str | None = None
    """UTC time in ISO 8601."""
    issued_at: float = 0.0
    """When it was issued, in seconds of this machine's clock."""
    former: str | None = None
    """Id of the key before it, which goes on until its own end."""
    error: WorkbenchError | None = None
    """Why it has none."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all its keys that may be good."""
        return tuple(filter(None, (self.key_id, self.former)))


class Mounts:
    """Mount and unmount keys; everything runs in the server's event loop, and nothing blocks it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._folder: RuntimeFolder | None = None
        self._opening = asyncio.Lock()
        self._mounted: dict[str, Mounted] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._catching_up = self._renewing = False
        self._closed = False
        self.relay: RelayProcess | None = None
        """What the SDKs of kernels call; None: the gateway itself, with the key in their variables."""

    @property
    def all(self) -> tuple[Mounted, ...]:
        """What each kernel has."""
        return tuple(self._mounted.values())

    async def mount(self, kernel_id: str, environ: Mapping[str, str]) -> dict[str, str]:
        """Mount a new key for a kernel that is about to start with `environ`; return the environment to start with.

        A kernel that starts anew gets a new key, and the one that it had is revoked.
        """
        try:
            folder = await self.open()
        except OSError as error:
            _log.warning("Kernel %s starts without a key: %s", kernel_id, error)
            return without_key_file(kernel_id, environ, error)
        async with self._lock(kernel_id):
            before = self._mounted.get(kernel_id)
            await self._broker.reach(patience=_PATIENCE)
            mounted, key = await self._issue(kernel_id, folder)
            url = key.gateway_url if key else self._broker.url
            relay_url = await self._relay_url(url)
            shown = key
            if relay_url is not None:
                shown = MountedKey(new_reference(), None, relay_url)
                await asyncio.to_thread(write_reference, folder.key_file(kernel_id), shown.key)
            mounted = replace(
                mounted,
                plan=plan(
                    environ,
                    sdks=await self._broker.sdks(key),
                    mount=self._broker.mount,
                    gateway_url=url,
                    credentials=self._broker.credentials,
                ),
            )
            self._mounted[kernel_id] = mounted
        for key_id in before.key_ids if before else ():
            self._in_background(self._revoke(key_id))
        if not self._renewing:
            self._renewing = True
            self._in_background(self._renew_all(folder))
        self._catch_up_if_needed(folder)
        identity = await asyncio.to_thread(_identity, environ, folder) if self._broker.configured_url else {}
        withheld = self._broker.withheld
        mine = environment(
            mounted.plan,
            environ,
            key_file=folder.key_file(kernel_id),
            gateway_url=url,
            key=shown,
            relay_url=relay_url,
            withheld=withheld,
        )
        return mine | identity

    async def unmount(self, kernel_id: str) -> None:
        """Revoke the key of a kernel that has ended, and remove its file; twice is fine."""
        async with self._lock(kernel_id):
            mounted = self._mounted.pop(kernel_id, None)
            if self._folder is not None:
                try:
                    self._folder.forget(kernel_id)
                except OSError as error:  # its key is revoked all the same
                    _log.warning("The key file of kernel %s was not removed: %s", kernel_id, error)
        self._locks.pop(kernel_id, None)
        for key_id in mounted.key_ids if mounted else ():
            if not await self._broker.revoke(key_id):
                self._in_background(self._revoke(key_id))

    async def renew(self, kernel_id: str) -> Mounted:
        """Put another key in the place of a kernel's, or mount the one that it waits for; return what it has then.

        Raises NotFound for a kernel that is not this server's, and what kept it from having another key.
        """
        before = self._mounted.get(kernel_id)
        if before is None:
            raise NotFound(f"This server has no kernel {kernel_id[:80]!r} that keys are mounted in.")
        folder = await self.open()
        await (self._renew(before, folder) if before.key_id else self._mount_late(before, folder))
        after = self._mounted.get(kernel_id, before)
        if after.error is not None:
            raise after.error
        if after is before:
            raise Unavailable(
                "The key was not renewed, and the one before it goes on.", hint="The Jupyter server's log says why."
            )
        return after

    async def open(self) -> RuntimeFolder:
        """Make the folder of key files, sweep those of killed servers, and revoke the keys that they had mounted."""
        async with self._opening:
            if self._folder is None:
                self._folder = await asyncio.to_thread(_open_folder)
                if self.relay is not None:
                    self.relay.start(self._folder.path, home=self._folder.home)
                loop = asyncio.get_running_loop()
                self._broker.on_move = lambda url: loop.call_soon_threadsafe(self._moved, url)
                if self._folder.leftovers:
                    self._in_background(self._revoke_leftovers(self._folder.leftovers))
            return self._folder

    async def close(self) -> None:
        """Revoke every key, remove the files, give up the gateway."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._at_rest(), _PARTING)
        ids = [key_id for mounted in self._mounted.values() for key_id in mounted.key_ids]
        self._mounted.clear()
        with suppress(TimeoutError):
            # What is not done by then is done by the gateway, when it finds the lease gone.
            await asyncio.wait_for(asyncio.gather(*map(self._broker.revoke, ids)), _PARTING)
        if self.relay is not None:
            await asyncio.to_thread(self.relay.close)
        if self._folder is not None:
            self._folder.close()
        await self._broker.close()

    async def _at_rest(self) -> None:
        """Wait until no key is being asked for."""
        for lock in tuple(self._locks.values()):
            async with lock:
                pass

    # -- one key -----------------------------------------------------------------------------------------------------

    async def _issue(self, kernel_id: str, folder: RuntimeFolder) -> tuple[Mounted, MountedKey | None]:
        """Get a key and write its file, or write there why there is none."""
        path = folder.key_file(kernel_id)
        try:
            if self._closed:
                raise Unavailable("The Jupyter server is stopping.")
            issued, url = await self._broker.issue(f"Jupyter kernel {kernel_id}")
        except WorkbenchError as error:
            error.hint = error.hint or "`workbench doctor` says what to mend; the key then follows by itself."
            if not self._closed:  # else the folder is about to go
                _tell_problem(path, error)
            return Mounted(kernel_id, error=error), None
        key = MountedKey(issued.key, issued.expires_at, url)
        try:
            folder.name_key(kernel_id, issued.id)
            write_key_file(path, key)
        except OSError as error:
            self._in_background(self._revoke(issued.id))
            problem = Unavailable(
                f"The key file {path} can't be written: {error.strerror or error}.",
                hint="Mend that, a full disk for example; the key then follows by itself.",
            )
            _log.warning("%s", problem)
            _tell_problem(path, problem)
            return Mounted(kernel_id, error=problem), None
        return Mounted(kernel_id, key_id=issued.id, expires_at=issued.expires_at, issued_at=time.time()), key

    async def _renew(self, before: Mounted, folder: RuntimeFolder) -> None:
        """Put another key in the place of one; what goes wrong is told once that one has ended."""
        kernel_id, life = before.kernel_id, self._broker.life
        async with self._lock(kernel_id):
            if self._mounted.get(kernel_id) is not before or before.key_id is None:
                return  # it has ended or started anew
            issued_at = time.time()
            try:
                issued, url = await self._broker.rotate(before.key_id, overlap_seconds=math.ceil(life))
            except (Conflict, NotFound):  # it has ended, and so has its line; or its gateway is another one
                mounted, _ = await self._issue(kernel_id, folder)
                self._mounted[kernel_id] = replace(mounted, plan=before.plan, former=before.key_id)
                return
            except WorkbenchError as error:
                _log.warning("The key of kernel %s was not renewed: %s", kernel_id, error)
                if renewal.has_ended(before, life=life):
                    _tell_problem(folder.key_file(kernel_id), error)
                    self._mounted[kernel_id] = Mounted(kernel_id, plan=before.plan, error=error)
                return
            after = replace(
                before, key_id=issued.id, expires_at=issued.expires_at, issued_at=issued_at, former=before.key_id
            )
            try:
                folder.name_key(kernel_id, *after.key_ids)
                write_key_file(folder.key_file(kernel_id), MountedKey(issued.key, issued.expires_at, url))
            except OSError as error:
                _log.warning("The new key of kernel %s can't be written: %s", kernel_id, error)
                self._in_background(self._revoke(issued.id))
                return
            self._mounted[kernel_id] = after

    async def _relay_url(self, gateway_url: str | None) -> str | None:
        """Return where the relay is, None where there is none that leads to this gateway."""
        if self.relay is None or self._closed:
            return None
        if not await asyncio.to_thread(self.relay.settled, _PATIENCE):
            return None
        return None if gateway_url is not None and self.relay.is_passed_over(gateway_url) else self.relay.url

    def _lock(self, kernel_id: str) -> asyncio.Lock:
        return self._locks.setdefault(kernel_id, asyncio.Lock())

    # -- in the background -------------------------------------------------------------------------------------------

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _renew_all(self, folder: RuntimeFolder) -> None:
        """Renew each key before it ends, for as long as the server lives."""
        while True:
            await asyncio.sleep(renewal.pause(self.all, life=self._broker.life))
            due = [mounted for mounted in self.all if renewal.is_due(mounted, life=self._broker.life)]
            await asyncio.gather(*(self._renew(mounted, folder) for mounted in due))
            self._catch_up_if_needed(folder)

    def _catch_up_if_needed(self, folder: RuntimeFolder) -> None:
        if not self._catching_up and any(mounted.error for mounted in self.all):
            self._catching_up = True
            self._in_background(self._catch_up(folder))

    async def _catch_up(self, folder: RuntimeFolder) -> None:
        """Mount the keys that kernels wait for, as soon as the gateway can give them."""
        pause = _FIRST_PAUSE
        try:
            while waiting := [mounted for mounted in self.all if mounted.error]:
                await asyncio.sleep(pause)
                await self._broker.reach(patience=_LONGEST_PAUSE)
                for before in waiting:
                    await self._mount_late(before, folder)
                still_starting = all(mounted.error.error_code == STARTING for mounted in self.all if mounted.error)
                pause = _FIRST_PAUSE if still_starting else min(pause * 2, _LONGEST_PAUSE)
        finally:
            self._catching_up = False

    async def _mount_late(self, before: Mounted, folder: RuntimeFolder) -> None:
        async with self._lock(before.kernel_id):
            if self._mounted.get(before.kernel_id) is before:  # it has neither ended nor started anew
                mounted, _ = await self._issue(before.kernel_id, folder)
                self._mounted[before.kernel_id] = replace(mounted, plan=before.plan)

    async def _revoke(self, key_id: str) -> None:
        """Revoke a key; a gateway that is away for a while does not save it."""
        pause = _FIRST_PAUSE
        while not await self._broker.revoke(key_id):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _moved(self, url: str) -> None:
        self._in_background(self._tell(url))

    async def _tell(self, url: str) -> None:
        """Tell the kernels where the gateway is: its old port may have been taken."""
        for mounted in self.all:
            async with self._lock(mounted.kernel_id):
                if mounted.key_id and mounted.kernel_id in self._mounted and self._folder is not None:
                    path = self._folder.key_file(mounted.kernel_id)
                    write_key_file(path, replace(read_key_file(path), gateway_url=url))

    async def _revoke_leftovers(self, key_ids: tuple[str, ...]) -> None:
        """Revoke what killed servers had mounted: a configured gateway knows of no lease that ended."""
        await self._broker.reach(patience=_LONGEST_PAUSE)
        for key_id in key_ids:
            await self._revoke(key_id)


def _identity(environ: Mapping[str, str], folder: RuntimeFolder) -> dict[str, str]:
    from workbench_jupyter.identity import identity_variables  # noqa: PLC0415 - as in `_open_folder`

    return identity_variables(environ, folder.path)


def _tell_problem(path: Path, error: WorkbenchError) -> None:
    """Write why there is no key; where not even that can be written, at least no old key stays."""
    try:
        write_key_problem(path, error)
    except OSError as failure:
        _log.warning("%s can't be written, so it does not tell the kernel: %s", path, failure)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _open_folder() -> RuntimeFolder:
    from workbench.settings import home_folder  # noqa: PLC0415 - loads pydantic; the start of the server does not wait

    return RuntimeFolder(home_folder())
