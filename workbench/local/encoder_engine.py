"""One embedding model in a process of its own, which answers `/v1/embeddings` on a loopback port (`python -m`)."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from workbench.errors import InvalidInput
from workbench.local.door import MAX_BODY_BYTES, bearer, envelope, listen, read_object
from workbench.local.embedding_request import EmbeddingRequest, parse_embedding_request
from workbench.local.lifeline import end_at_eof, leave, read_orders, say, threads

if TYPE_CHECKING:
    from workbench.local.encoder import Encoder

_PIECE = 32
"""Texts that are encoded before another call gets its turn."""


class Desk:
    """Answers requests with one encoder, a piece of one call at a time."""

    def __init__(self, encoder: Encoder, *, name: str, dimensions: int) -> None:
        self._encoder = encoder
        self._name = name
        self._dimensions = dimensions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")

    async def embeddings(self, request: web.Request) -> web.Response:
        """`POST /v1/embeddings`."""
        asked = parse_embedding_request(await read_object(request), dimensions=self._dimensions)
        loop = asyncio.get_running_loop()
        counts = await loop.run_in_executor(self._thread, self._encoder.count, asked.texts)
        self._check(asked, counts)
        data: list[dict[str, Any]] = []
        for start in range(0, len(asked.texts), _PIECE):
            piece = asked.texts[start : start + _PIECE]
            for vector in await loop.run_in_executor(self._thread, self._encoder.encode, piece):
                value = base64.b64encode(vector.astype("<f4").tobytes()).decode() if asked.base64 else vector.tolist()
                data.append({"object": "embedding", "index": len(data), "embedding": value})
        used = sum(min(count, self._encoder.limit) for count in counts)
        body = {
            "object": "list",
            "data": data,
            "model": self._name,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    def _check(self, asked: EmbeddingRequest, counts: list[int]) -> None:
        over = next((i for i, count in enumerate(counts) if count > self._encoder.limit), None)
        if over is not None and not asked.truncate:
            raise InvalidInput(
                f"`input[{over}]` has {counts[over]} tokens; {self._name} reads at most {self._encoder.limit}.",
                hint='Split it, or send "truncate_prompt_tokens": -1 to have only its beginning embedded.',
                code="context_length_exceeded",
                param=f"input[{over}]",
            )


async def serve(orders: dict[str, Any], encoder: Encoder) -> None:
    """Serve an encoder for the rest of this process."""
    desk = Desk(encoder, name=orders["name"], dimensions=orders["dimensions"])
    app = web.Application(middlewares=[envelope, bearer(orders["token"])], client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.post("/v1/embeddings", desk.embeddings)])
    say({"url": (await listen(app)).url})
    await asyncio.Event().wait()


def main() -> None:
    """Serve the model that standard input orders until that ends."""
    orders = read_orders()
    end_at_eof()
    try:
        from workbench.local.encoder import Encoder  # noqa: PLC0415 - torch takes seconds; errors go to the parent

        encoder = Encoder(Path(orders["path"]), threads=threads())
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        say({"error": f"{type(error).__name__}: {error}".strip()})
        leave()
    asyncio.run(serve(orders, encoder))


if __name__ == "__main__":
    main()
