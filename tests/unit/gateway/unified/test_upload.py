"""A batch file that is looked through: other calls go on meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from workbench.gateway.routing.models import Deployment
from workbench.gateway.unified.objects.batch_lines import checked_lines, lines_of
from workbench.gateway.unified.objects.upload import _as_they_come

pytestmark = pytest.mark.anyio

LINE = b'{"custom_id": "%d", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}}\n'


async def test_others_have_their_turn_while_a_large_file_is_looked_through() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(other())
    pieces = [LINE % number for number in range(50)]
    at = Deployment(provider="acme", kind="openai", model="m")
    lines = checked_lines(lines_of(_as_they_come(iter(pieces))), lambda *_: at, lambda value: value, lambda *_: None)
    assert len([line async for line in lines]) == len(pieces)
    task.cancel()
    assert turns >= len(pieces) - 1
