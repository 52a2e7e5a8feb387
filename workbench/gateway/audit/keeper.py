"""The audit's work in a running gateway: anchors every few seconds, shipments by a process of their own on schedule."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.errors import Unavailable, WorkbenchError
from workbench.gateway.audit.anchors import Anchors
from workbench.gateway.notices import Notice
from workbench.wire.envelope import error_from_body

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_log = logging.getLogger("workbench.gateway.audit")

ANCHOR_SECONDS = 2.0
_SOON_SECONDS = 30.0
"""When the first shipment is, at the latest: a gateway that is often started again ships all the same."""
_LINE_BYTES = 64 * 1024 * 1024
"""Longest line of a child's answer: a call with both its bodies."""


class Keeper:
    """Keeps anchors, and has the ledger shipped."""

    def __init__(self, gateway: Parts, *, worker: int | None) -> None:
        self._gateway = gateway
        self._anchors = Anchors(gateway.state)
        self._epoch = 0
        self._noted = 0
        self._ships = not worker  # of several workers of a home, the first
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Look whether the spool has all that was noted, and begin. The spool is open."""
        await asyncio.to_thread(self._look_back)
        self._tasks.append(asyncio.create_task(self._keep_anchors()))
        every = self._gateway.settings.audit.ship_every
        if self._ships and every:
            self._tasks.append(asyncio.create_task(self._ship_on_schedule(every)))

    async def stop(self) -> None:
        """End what is on its way; before the spool is closed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Note the last row; after the spool is closed. Blocks."""
        try:
            self._note()
        except WorkbenchError as error:
            _log.warning("how far the ledger has come was not noted: %s", error)

    # -- anchors -----------------------------------------------------------------------------------------------------

    def _look_back(self) -> None:
        spool = self._gateway.spool
        writer, seq, _ = spool.tip
        before = self._anchors.latest(f"{writer}-{spool.id}")
        if before is None:
            return
        self._epoch = before.epoch
        if spool.hash_at(before.seq) != before.hash:
            self._epoch += 1
            _log.error(
                "the ledger lost its end: writer %s had come to row %d at %s and begins again behind row %d",
                writer, before.seq, before.at, seq,
            )  # fmt: skip
            self._gateway.notices.tell(
                Notice(
                    kind="ledger",
                    once=f"ledger-cut:{before.writer}:{before.epoch}:{before.seq}",
                    text=f"The ledger's chain {before.writer} was at row {before.seq} and now ends at row {seq}.",
                    details={"writer": before.writer, "noted": before.seq, "found": seq},
                )
            )
        else:
            self._noted = before.seq

    def _note(self) -> None:
        spool = self._gateway.spool
        writer, seq, hash_ = spool.tip
        if seq > self._noted:
            self._anchors.keep(f"{writer}-{spool.id}", epoch=self._epoch, seq=seq, hash=hash_)
            self._noted = seq

    async def _keep_anchors(self) -> None:
        while True:
            await asyncio.sleep(ANCHOR_SECONDS)
            try:
                await asyncio.to_thread(self._note)
            except WorkbenchError as error:
                _log.warning("how far the ledger has come can't be noted: %s", error)

    # -- the lake ----------------------------------------------------------------------------------------------------

    async def _ship_on_schedule(self, every: float) -> None:
        await asyncio.sleep(min(every, _SOON_SECONDS))
        while True:
            try:
                await self.ship()
            except WorkbenchError as error:
                _log.error("the ledger was not shipped: %s", error)
                day = self._gateway.spool.id
                self._gateway.notices.tell(
                    Notice(kind="ledger", once=f"ledger-ship:{day}:{error.error_code}", text=f"Not shipped: {error}")
                )
            await asyncio.sleep(every)

    async def ship(self) -> dict[str, Any]:
        """Ship what is new, and delete what is over its time; return how much it was."""
        lines = [line async for line in self.run("ship")]
        told: dict[str, Any] = msgspec.json.decode(lines[-1]) if lines else {}
        return told

    async def run(self, *arguments: str) -> AsyncIterator[bytes]:
        """Yield the lines of a child process that reads spool and lake; raises the error that it tells."""
        settings = self._gateway.settings
        config = ["--config", str(settings.file)] if settings.file is not None else []
        command = [sys.executable, "-m", "workbench.gateway.audit", *config, "--home", str(settings.home), *arguments]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, limit=_LINE_BYTES)
        assert process.stdout is not None
        assert process.stderr is not None
        complaint = asyncio.create_task(process.stderr.read())
        try:
            async for line in process.stdout:
                yield line
            code = await process.wait()
            if code:
                raise _told(await complaint)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            complaint.cancel()


def _told(complaint: bytes) -> WorkbenchError:
    last = complaint.strip().rpartition(b"\n")[2]
    try:
        body = msgspec.json.decode(last)
    except msgspec.DecodeError:
        text = last.decode("utf-8", "replace")[:300]
        return Unavailable(f"The audit's process failed: {text or 'it said nothing'}.", code="audit_failed")
    return error_from_body(int(body.get("status", 500)), body)
