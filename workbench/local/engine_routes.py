"""`/v1/engines`: which models are in memory, what they take and give, and starting and stopping them by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import hdrs, web

from workbench.local.engines import Engine, Engines
from workbench.local.shelf import named

_METRICS_SECONDS = 2.0
_SPEED = re.compile(rb"^llamacpp:predicted_tokens_seconds (\S+)$", re.MULTILINE)


class EngineRoutes:
    """The routes; `session` gives the client that engines are asked with."""

    def __init__(self, home: Path, engines: Engines, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._home = home
        self._engines = engines
        self._session = session

    async def list(self, _: web.Request) -> web.Response:
        """`GET /v1/engines`: the models that are in memory."""
        return web.json_response({"data": [await self._row(engine) for engine in self._engines.running()]})

    async def start(self, request: web.Request) -> web.Response:
        """`POST /v1/engines/{name}`: load a model now, rather than with its first call."""
        engine = await self._engines.ready(request.match_info["name"])
        return web.json_response(await self._row(engine))

    async def stop(self, request: web.Request) -> web.Response:
        """`DELETE /v1/engines/{name}`: end an engine; its memory is free, and the next call loads the model again."""
        model = named(request.match_info["name"], self._home)
        was = self._engines.state(model.name)
        await self._engines.stop(model.name)
        return web.json_response({"name": model.name, "stopped": was != "cold"})

    async def _row(self, engine: Engine) -> dict[str, Any]:
        return {
            "name": engine.model.name,
            "task": engine.model.task,
            "pid": engine.process.pid,
            "memory_bytes": _memory(engine.process.pid),
            "since": engine.since,
            "tokens_per_second": await self._speed(engine),
        }

    async def _speed(self, engine: Engine) -> float | None:
        """Return what llama.cpp says of its own pace; None for an encoder, and before the first answer."""
        if engine.model.task != "chat":
            return None
        timeout = aiohttp.ClientTimeout(total=_METRICS_SECONDS)
        headers = {hdrs.AUTHORIZATION: f"Bearer {engine.token}"}
        try:
            async with self._session().get(f"{engine.url}/metrics", headers=headers, timeout=timeout) as answer:
                found = _SPEED.search(await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return None
        return round(float(found[1]), 1) or None if found else None


def _memory(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
