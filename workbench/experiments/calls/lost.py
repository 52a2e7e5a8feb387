"""Answers that were made and never arrived: the gateway may still know them.

A process that is killed between an answer and its commit has paid for what it does not hold. Each call is tagged by its
cell, so the ledger's row can be found, and what was said where the gateway keeps the bodies of exploration calls.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from workbench.client import AsyncGateway
from workbench.client.answers import read_images
from workbench.errors import WorkbenchError
from workbench.evidence import Output
from workbench.experiments.cells.cell import Address, Answer
from workbench.wire.usage import Usage

_CLOCKS_APART = timedelta(seconds=5)
_PAUSES = (0.1, 0.3, 0.6)
"""Seconds between looks for a call that may just be ending."""
_FRESH = timedelta(seconds=60)
_BLOT = "***"
"""Stands where the gateway has masked a credential in what it keeps: such a text is not what was answered."""


class Lost:
    """Look for answers at the gateway."""

    def __init__(self, gateway: AsyncGateway | None) -> None:
        self._gateway = gateway

    async def find(self, address: Address, sent_at: datetime) -> Answer | None:
        """Return the answer to a call that was sent then; None where there is none, or the gateway does not keep it."""
        if self._gateway is None:
            return None
        pauses = list(_PAUSES) if datetime.now(UTC) - sent_at < _FRESH else []
        since = (sent_at - _CLOCKS_APART).isoformat().replace("+00:00", "Z")
        try:
            while not (rows := await self._gateway.calls(tags={"grid_cell": address.tag}, since=since, limit=20)):
                if not pauses:
                    return None
                await asyncio.sleep(pauses.pop(0))
            for row in rows:
                if row["status"] == 200 and (found := await self._read(row)) is not None:
                    return found
        except WorkbenchError:
            return None
        return None

    async def _read(self, row: Mapping[str, Any]) -> Answer | None:
        assert self._gateway is not None
        try:
            kept = await self._gateway.call_body(row["request_id"])
            if kept["cut"]:
                return None
            body = json.loads(kept["response"]["body"])
            choice = body["choices"][0]
            text = choice["message"].get("content")
        except (WorkbenchError, ValueError, LookupError, TypeError, AttributeError):
            return None
        images = tuple(read_images(choice["message"]))
        if not choice.get("finish_reason") or _BLOT in str(text) or not (isinstance(text, str) or images):
            return None
        began = datetime.fromisoformat(row["time"])
        latency = float(row["latency_ms"] or 0.0)
        return Answer(
            output=Output(text if isinstance(text, str) else None, images),
            started_at=began,
            ended_at=began + timedelta(milliseconds=latency),
            latency_ms=latency,
            request_id=row["request_id"],
            model=row["model"],
            cost_usd=row["cost_usd"],
            usage=Usage.from_openai(body.get("usage") or {}),
        )
