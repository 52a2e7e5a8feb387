"""The process in front of the embedded models: an OpenAI-shaped server that starts engines as they are needed.

It is light by itself: no engine, and neither torch nor llama.cpp, is loaded here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from workbench.errors import InvalidInput
from workbench.local import shelf
from workbench.local.catalogue import EmbeddedModel
from workbench.local.door import MAX_BODY_BYTES, bearer, envelope, read_object
from workbench.local.engine_routes import EngineRoutes
from workbench.local.engines import Engines
from workbench.local.relay import client, relay
from workbench.local.turns import Turns


def create_app(*, home: Path, token: str) -> web.Application:
    """Return the application: every route, and what lives as long as it does."""
    server = Server(home)
    app = web.Application(
        middlewares=[envelope, bearer(token, open_paths=frozenset({"/healthz"}))], client_max_size=MAX_BODY_BYTES
    )
    app.add_routes(
        [
            web.post("/v1/chat/completions", server.chat),
            web.post("/v1/embeddings", server.embeddings),
            web.get("/v1/models", server.models),
            web.get("/v1/models/{name}", server.model),
            web.get("/v1/engines", server.engines.list),
            web.post("/v1/engines/{name}", server.engines.start),
            web.delete("/v1/engines/{name}", server.engines.stop),
            web.get("/healthz", server.health),
        ]
    )
    app.cleanup_ctx.append(server.running)
    return app


class Server:
    """The routes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._engines = Engines(home)
        self._turns = Turns()
        self.engines = EngineRoutes(home, self._engines, lambda: self._session)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Hold what is open while the application runs."""
        async with client() as self._session:
            yield
            await self._engines.close()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/chat/completions`, plain and streamed."""
        body = await read_object(request)
        model = self._asked(body, "chat")
        messages = _messages(body)
        engine = await self._engines.ready(model.name)
        async with self._turns.turn(model.name, messages):
            return await relay(request, await request.read(), engine=engine, session=self._session)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/embeddings`."""
        model = self._asked(await read_object(request), "embedding")
        engine = await self._engines.ready(model.name)
        return await relay(request, await request.read(), engine=engine, session=self._session)

    async def models(self, _: web.Request) -> web.Response:
        """`GET /v1/models`: every model that is known, installed or not."""
        rows = [self._row(model) for model in shelf.known(self._home).values()]
        return web.json_response({"object": "list", "data": rows})

    async def model(self, request: web.Request) -> web.Response:
        """`GET /v1/models/{name}`."""
        model = shelf.named(request.match_info["name"], self._home)
        return web.json_response(self._row(model))

    async def health(self, _: web.Request) -> web.Response:
        """`GET /healthz`: this process answers, whatever its engines do."""
        return web.json_response({"status": "ok"})

    def _asked(self, body: dict[str, Any], task: str) -> EmbeddedModel:
        name = body.get("model")
        if not isinstance(name, str):
            raise InvalidInput("`model` must be the name of a model.", param="model")
        model = shelf.named(name, self._home)
        if model.task != task:
            fit = [m.name for m in shelf.known(self._home).values() if m.task == task]
            raise InvalidInput(
                f"{name} is a model for {model.task}, not for {task}.", hint=f"Use {', '.join(fit)}.", param="model"
            )
        return model

    def _row(self, model: EmbeddedModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "object": "model",
            "created": 0,
            "owned_by": "local",
            "task": model.task,
            "installed": shelf.is_here(model, self._home),
            "state": self._engines.state(model.name),
            "context_length": model.context_length,
            "dimensions": model.dimensions,
            "licence": model.licence,
            "description": model.description,
        }


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise InvalidInput("`messages` must be a list of messages that is not empty.", param="messages")
    for index, message in enumerate(messages):
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else []:
            if not isinstance(part, dict) or part.get("type") != "text":
                raise InvalidInput(
                    "The embedded chat models read text only.", param=f"messages[{index}].content", code="text_only"
                )
    return messages
