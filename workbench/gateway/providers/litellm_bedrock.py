"""Bedrock: Converse by litellm's translation, its event stream, and the embedding models that InvokeModel serves.

Source: AWS, Bedrock Runtime API reference. `messageStop` ends an answer; `metadata` with the usage comes after it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.providers import bedrock_pictures
from workbench.gateway.providers.embeddings import embeddings_lane
from workbench.gateway.providers.litellm_chat import Chat, Target, chat_lane, transformed
from workbench.gateway.providers.translation import Asking, Lanes, Request, Step, Translated
from workbench.wire import event_stream
from workbench.wire.sse import Event

_OWN = frozenset({"top_k", "thinking", "guardrailConfig", "performanceConfig"})
_COHERE_TEXTS = 96


class ConverseReader:
    """Reads a stream of Converse."""

    def __init__(self, chat: Chat) -> None:
        from litellm.llms.bedrock.chat.invoke_handler import AWSEventStreamDecoder  # noqa: PLC0415

        self._parser: Any = AWSEventStreamDecoder(model=chat.asking.model, json_mode=chat.json_mode)
        self.model = chat.asking.model
        self.whole = False

    @property
    def id(self) -> str:
        """The answer's id."""
        return str(self._parser.response_id or "")

    def read(self, event: Event) -> Step | None:
        """Read one message of the event stream."""
        if not event.data:
            return None
        message = event_stream.read(event.raw)
        fields = msgspec.json.decode(message.payload)
        if message.failed:
            return Step(error={"message": str(fields.get("message")), "type": message.name})
        chunk = self._parser.converse_chunk_parser(fields).model_dump(exclude_none=True)
        if message.name == "messageStop":
            self.whole = True
        return Step(chunk=chunk, last=message.name == "metadata" and self.whole)


def _converse(chat: Chat) -> Request:
    method = "converse-stream" if chat.asking.stream else "converse"
    chat.optional.pop("stream", None)
    return Request(chat.asking.url("model/{model}/" + method, model=chat.asking.model), transformed(chat))


def _config(_asking: Asking) -> Any:
    from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig  # noqa: PLC0415

    return AmazonConverseConfig()


def invoke(asking: Asking, body: Any) -> Request:
    """Return a request to InvokeModel."""
    return Request(asking.url("model/{model}/invoke", model=asking.model), body)


# -- embeddings ----------------------------------------------------------------------------------------------------


def _titan(asking: Asking, texts: list[str]) -> list[Request]:
    size = asking.fields.get("dimensions")
    more = {} if size is None else {"dimensions": size}
    return [invoke(asking, {"inputText": text, **more}) for text in texts]


def _titan_vectors(answers: list[dict[str, Any]]) -> tuple[list[list[float]], int | None]:
    return [answer["embedding"] for answer in answers], sum(answer["inputTextTokenCount"] for answer in answers)


def _cohere(asking: Asking, texts: list[str]) -> list[Request]:
    kind = asking.fields.get("input_type", "search_document")
    size = asking.fields.get("dimensions")
    more = {} if size is None else {"output_dimension": size}
    return [
        invoke(asking, {"texts": texts[at : at + _COHERE_TEXTS], "input_type": kind, **more})
        for at in range(0, len(texts), _COHERE_TEXTS)
    ]


def _cohere_vectors(answers: list[dict[str, Any]]) -> tuple[list[list[float]], int | None]:
    found = [answer["embeddings"] for answer in answers]
    return [vector for one in found for vector in (one["float"] if isinstance(one, dict) else one)], None


_EMBEDDINGS = {
    "titan-embed-text-v1": embeddings_lane(ask=_titan, vectors=_titan_vectors, takes=frozenset()),
    "titan-embed": embeddings_lane(ask=_titan, vectors=_titan_vectors),
    "cohere.embed-v4": embeddings_lane(
        ask=_cohere, vectors=_cohere_vectors, takes=frozenset({"input_type", "dimensions"})
    ),
    "cohere.embed": embeddings_lane(ask=_cohere, vectors=_cohere_vectors, takes=frozenset({"input_type"})),
}
"""Part of a model's name -> its translation; the first that fits."""


def _embeddings(asking: Asking) -> Translated:
    for part, lane in _EMBEDDINGS.items():
        if part in asking.model:
            return lane(asking)
    raise InvalidInput(
        f"Model {asking.model!r} of provider {asking.provider!r} is no embedding model that the gateway knows.",
        hint="Bedrock's amazon.titan-embed and cohere.embed models are served.",
        code="unsupported_operation",
    )


LANES: Lanes = {
    "chat/completions": chat_lane(
        Target(
            family=lambda _: "bedrock",
            model=lambda asking: f"converse/{asking.model}",
            request=_converse,
            events=ConverseReader,
            own=_OWN,
            config=_config,
            stream_type=event_stream.CONTENT_TYPE,
            takes_blank=False,
        )
    ),
    "embeddings": _embeddings,
    **bedrock_pictures.LANES,
}
