"""Read what came back; nothing here does any I/O, so the sync and the async client share it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.client.limits import read_limits
from workbench.client.models import Wish, fitting
from workbench.client.results import ChatResult, PublishedPrompt, PublishedRollout
from workbench.errors import IntegrityError, ProviderError, StreamCut
from workbench.wire import headers
from workbench.wire.prompt_hash import prompt_hash
from workbench.wire.usage import Usage

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def read_chat(completion: Any, head: Mapping[str, str], *, latency_ms: float) -> ChatResult:
    """Read a ChatCompletion and the headers that came with it."""
    body: dict[str, Any] = completion.model_dump()
    choices = body.get("choices") or []
    if not choices:
        raise ProviderError(f"The answer of {body.get('model')!r} has no choices.")
    message = choices[0].get("message") or {}
    return ChatResult(
        text=_text(message.get("content")),
        images=read_images(message),
        usage=Usage.from_openai(body.get("usage") or {}),
        cost_usd=read_cost(head),
        latency_ms=latency_ms,
        request_id=head.get(headers.REQUEST_ID, ""),
        model=head.get(headers.MODEL) or str(body.get("model")),
        finish_reason=choices[0].get("finish_reason"),
        limits=read_limits(head),
        raw=completion,
    )


class Assembly:
    """Put an answer together from the chunks of its stream."""

    def __init__(self, head: Mapping[str, str]) -> None:
        self._head = head
        self._chunks: list[Any] = []
        self._pieces: list[str] = []
        self._images: list[bytes] = []
        self._usage: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._first_token_ms: float | None = None

    @property
    def request_id(self) -> str:
        """The gateway's name of the call."""
        return self._head.get(headers.REQUEST_ID, "")

    def add(self, chunk: Any, *, elapsed_ms: float) -> str:
        """Take one ChatCompletionChunk; return the text that it adds, often empty at the ends."""
        self._chunks.append(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage.model_dump()
        piece = ""
        for choice in chunk.choices:
            if choice.index != 0:
                continue
            self._finish_reason = choice.finish_reason or self._finish_reason
            piece += choice.delta.content or ""
            if choice.delta.model_extra:
                self._images += read_images(choice.delta.model_extra)
        if piece:
            self._pieces.append(piece)
            if self._first_token_ms is None:
                self._first_token_ms = elapsed_ms
        return piece

    def result(self, *, elapsed_ms: float, cost_usd: float | None) -> ChatResult:
        """Return the whole answer; raises StreamCut where its end never came."""
        if self._finish_reason is None:
            raise StreamCut(
                f"The stream of call {self.request_id} ended before the answer did; {len(self._pieces)} pieces came.",
                hint="Ask again.",
            )
        return ChatResult(
            text="".join(self._pieces),
            images=self._images,
            usage=Usage.from_openai(self._usage),
            cost_usd=cost_usd,
            latency_ms=elapsed_ms,
            request_id=self.request_id,
            model=self._head.get(headers.MODEL) or str(self._chunks[0].model),
            finish_reason=self._finish_reason,
            first_token_ms=self._first_token_ms,
            raw=self._chunks,
        )


def read_cost(head: Mapping[str, str]) -> float | None:
    """Read the cost header; None where the price is unknown."""
    try:
        return float(head[headers.COST_USD])
    except (KeyError, ValueError):
        return None


def read_images(message: Mapping[str, Any]) -> list[bytes]:
    """Return the images that a message carries in itself; ones that are only linked are not fetched."""
    content = message.get("content")
    parts = [*(content if isinstance(content, list) else []), *(message.get("images") or [])]
    found = [_image(part) for part in parts if isinstance(part, dict)]
    return [image for image in found if image]


def _image(part: Mapping[str, Any]) -> bytes | None:
    linked = part.get("image_url")
    url = linked.get("url") if isinstance(linked, dict) else linked
    encoded = part.get("b64_json") or (
        url.partition(",")[2] if isinstance(url, str) and url.startswith("data:image/") else None
    )
    try:
        return base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else None
    except binascii.Error as error:
        raise ProviderError("An image of the answer is not valid base64.") from error


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def read_vectors(data: Sequence[Any], expected: int) -> np.ndarray:
    """Return the vectors of one embeddings answer, float32 [n, d], in the order of the texts."""
    import numpy as np  # noqa: PLC0415 - only embed() needs it

    if len(data) != expected:
        raise ProviderError(f"{expected} texts were sent and {len(data)} vectors came back.")
    rows = [
        np.frombuffer(base64.b64decode(item.embedding), dtype="<f4")
        if isinstance(item.embedding, str)
        else np.asarray(item.embedding, dtype=np.float32)
        for item in sorted(data, key=lambda item: int(item.index))
    ]
    return np.vstack(rows).astype(np.float32, copy=False)


def join_vectors(parts: list[np.ndarray]) -> np.ndarray:
    """Return the batches as one array; no texts give an array of shape (0, 0)."""
    import numpy as np  # noqa: PLC0415 - only embed() needs it

    return np.vstack(parts) if parts else np.empty((0, 0), dtype=np.float32)


def read_models(body: Any, wish: Wish | None = None) -> pd.DataFrame:
    """Return the models that fit, one row each, named by `model`; prices are columns such as `price.input`."""
    import pandas as pd  # noqa: PLC0415 - only models() needs it

    rows = [
        {"model": row["id"], "owned_by": row.get("owned_by"), **(row.get("catalogue") or {})}
        for row in fitting(_data(body), wish or Wish())
    ]
    return pd.json_normalize(rows) if rows else pd.DataFrame(columns=["model", "owned_by"])


def read_rows(body: Any) -> list[dict[str, Any]]:
    """Return the rows of a list answer."""
    return _data(body)


def read_published(body: Any) -> PublishedPrompt:
    """Return a published prompt; raises IntegrityError where its text is not the one that was published."""
    template, parameters, schema = body["template"], body.get("parameters") or {}, body.get("schema")
    form = body.get("form") or {}
    found = prompt_hash(template, parameters, schema, form)
    if found != body["hash"]:
        raise IntegrityError(
            f"The prompt {body['name']}@{body['alias']} is not what was published: its hash is {found[:12]}..., "
            f"the record says {str(body['hash'])[:12]}...",
            hint="Promote the version again, and look who changed the gateway's database.",
        )
    return PublishedPrompt(
        name=body["name"],
        alias=body["alias"],
        version=int(body["version"]),
        template=template,
        parameters=parameters,
        schema=schema,
        form=form,
        hash=found,
        published_at=body.get("published_at"),
        published_by=body.get("published_by"),
    )


def read_served(body: Any) -> PublishedPrompt:
    """Return a prompt as it is served, its rollout with it; raises IntegrityError where either text was changed."""
    prompt, told = read_published(body), body.get("rollout")
    rollout = None
    if told is not None:
        candidate = read_published(told["candidate"])
        rollout = PublishedRollout(told["id"], float(told["weight"]), told["candidate_arm"], candidate)
    return replace(prompt, seq=int(body.get("seq", 0)), rollout=rollout)


def _data(body: Any) -> list[dict[str, Any]]:
    return list(body["data"] if isinstance(body, dict) else body)
