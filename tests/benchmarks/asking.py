"""Somebody who asks small chats at a rate, or with so many at once, and tells what came of it.

A process of its own: `python -m tests.benchmarks.asking URL KEY MODEL --seconds N (--rate R | --clients C) [--batch]`
prints one JSON object. Calls of a rate come as a Poisson process, whether the ones before them are answered or not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter

import aiohttp
import uvloop


class Asker:
    """One who asks; times are kept of the calls that were answered."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._url = f"{given.url}/v1/chat/completions"
        self._headers = {"authorization": f"Bearer {given.key}"}
        if given.batch:
            self._headers["x-workbench-priority"] = "batch"
        self._body = {"model": given.model, "messages": [{"role": "user", "content": "Is it so? " * 8}]}
        self._end = time.monotonic() + given.seconds
        self._rate: float | None = given.rate
        self._clients: int = given.clients or 0
        self.milliseconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.queued = 0
        """Calls that waited in the gateway's queue before they were answered."""

    async def run(self) -> None:
        """Ask until the time is over, and wait for what was asked."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=self._headers) as self._session:
            if self._rate is None:
                await asyncio.gather(*(self._again() for _ in range(self._clients)))
                return
            asked: set[asyncio.Task[None]] = set()
            chance, due = random.Random(7), time.monotonic()
            while due < self._end:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                task = asyncio.create_task(self._ask())
                asked.add(task)
                task.add_done_callback(asked.discard)
                due += chance.expovariate(self._rate)
            if asked:
                await asyncio.wait(set(asked), timeout=10)
            for task in asked:
                task.cancel()

    async def _again(self) -> None:
        while time.monotonic() < self._end:
            await self._ask()

    async def _ask(self) -> None:
        began = time.perf_counter()
        async with self._session.post(self._url, json=self._body) as answer:
            await answer.read()
        self.statuses[str(answer.status)] += 1
        self.queued += answer.headers.get("x-workbench-queue-ms", "0") != "0"
        if answer.status == 200:
            self.milliseconds.append((time.perf_counter() - began) * 1000)


def main() -> None:
    """Ask, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "key", "model"):
        parser.add_argument(name)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--clients", type=int)
    parser.add_argument("--batch", action="store_true")
    asker = Asker(parser.parse_args())
    uvloop.run(asker.run())
    told = {"milliseconds": asker.milliseconds, "statuses": asker.statuses, "queued": asker.queued}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
