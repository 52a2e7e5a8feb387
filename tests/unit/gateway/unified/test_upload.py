"""A batch file that is looked through: other calls go on meanwhile."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from workbench.errors import InvalidInput
from workbench.gateway.routing.models import Deployment
from workbench.gateway.unified.objects.batch_lines import LONGEST_LINE, checked_lines, lines_of
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


async def _come(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    "pieces",
    [(b"a\nbc\n\nd",), (b"a", b"\n", b"b", b"c\n\n", b"d"), (b"", b"a\nb", b"c\n", b"", b"\nd", b"")],
    ids=["at once", "byte by byte", "with empty pieces"],
)
async def test_lines_are_the_same_however_they_come(pieces: tuple[bytes, ...]) -> None:
    assert [line async for line in lines_of(_come(*pieces))] == [b"a", b"bc", b"", b"d"]


async def test_a_line_without_end_is_refused_as_it_comes_and_taken_where_none_is_too_long() -> None:
    half = b"x" * (LONGEST_LINE // 2 + 1)
    with pytest.raises(InvalidInput, match="over 8388608 bytes"):
        _ = [line async for line in lines_of(_come(half, half, b"\n"))]
    lines = [line async for line in lines_of(_come(half, half, b"\ny\n"), longest=math.inf)]
    assert [len(line) for line in lines] == [2 * len(half), 1]
