"""Chat in another protocol: which fields the target takes, the request that litellm makes of them, the answer back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.providers.chat_messages import check_messages
from workbench.gateway.providers.litellm_library import PLACEHOLDER, Silent
from workbench.gateway.providers.translation import (
    ANY,
    Asking,
    EventReader,
    Lane,
    Request,
    Translated,
    cant_be_honoured,
    is_harmless,
    refuse_unknown,
)

HARMLESS: Mapping[str, object] = {
    # with this value they say what holds anyway
    "n": 1, "logprobs": False, "top_logprobs": 0, "store": False, "presence_penalty": 0, "frequency_penalty": 0,
    "logit_bias": {}, "parallel_tool_calls": True, "tool_choice": "auto", "response_format": {"type": "text"},
    "modalities": ["text"], "service_tier": "auto", "verbosity": "medium",
    # names for the books and caches of the provider: the answer is the same without them
    "user": ANY, "metadata": ANY, "safety_identifier": ANY, "prompt_cache_key": ANY, "prompt_cache_retention": ANY,
}  # fmt: skip
"""Fields that may be left out; with any other value they are refused by name."""
_HARMLESS_IF_LOST: Mapping[str, object] = {"reasoning_effort": "none", "cache_control": ANY}
"""Fields that change nothing where a target has nothing to say them with, and are sent where it has."""
_HONOURED = frozenset(
    {"model", "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "max_completion_tokens",
     "stop", "tools"}
)  # fmt: skip
"""Fields of nearly every call that each translation is known to carry over; the others are looked for."""
_NOT_PARAMETERS = frozenset({"model", "messages", "stream", "stream_options"})
_MEDIA: Mapping[str, tuple[str, ...]] = {
    "image_url": ("url",), "input_audio": ("data",), "file": ("file_data", "file_id"), "video_url": ("url",),
}  # fmt: skip
"""Content parts beside text, and where the content stands in them."""
_NEVER = frozenset({"extra_headers", "max_retries"})
"""Fields that litellm takes from its own callers, and the gateway from nobody."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat as litellm has understood it."""

    asking: Asking
    """What is asked, and of whom."""
    config: Any
    """litellm's translator."""
    model: str
    """The model as litellm is told it."""
    messages: list[Any]
    """The messages, in OpenAI's shape."""
    optional: dict[str, Any]
    """The parameters, in the target's shape."""
    json_mode: bool
    """Whether a tool was made of a JSON schema, to be undone in the answer."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that the translation asks for, without any credential."""
    context: dict[str, Any] = field(default_factory=dict)
    """What litellm keeps from the request for the answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """One protocol, as far as it is not litellm's."""

    family: Callable[[Asking], str]
    """What litellm calls the provider."""
    request: Callable[[Chat], Request]
    """Where it goes, and with which body."""
    events: Callable[[Chat], EventReader]
    """What reads a stream."""
    own: frozenset[str] = frozenset()
    """Fields that are not OpenAI's and that the target knows."""
    model: Callable[[Asking], str] = lambda asking: asking.model
    """The model as litellm is to be told it."""
    config: Callable[[Asking], Any] | None = None
    """litellm's translator, where it would choose another."""
    stream_type: str = "text/event-stream"
    """Content type of a stream."""
    takes_blank: bool = True
    """Whether a message may be empty; where it may not, litellm leaves it out or puts words of its own there."""


def chat_lane(target: Target) -> Lane:
    """Return the translation of chat for a protocol."""

    def translate(asking: Asking) -> Translated:
        check_messages(asking.fields["messages"])
        asking = replace(asking, fields={**asking.fields, "messages": _of_system(asking.fields["messages"])})
        refuse_remote_media(asking.fields["messages"])
        if not target.takes_blank:
            _refuse_blank(asking)
        rare = [name for name in asking.fields if name not in _HONOURED and not _may_leave_no_trace(asking, name)]
        odd = [number for number, tool in enumerate(asking.fields.get("tools") or ()) if tool["type"] != "function"]
        strange = list(_strange_parts(asking.fields["messages"]))
        kept = deepcopy(asking.fields) if rare or odd or strange else {}  # litellm writes into what it is given
        chat = _understood(asking, target)
        request = target.request(chat)
        _refuse_lost_media(asking, request)
        _refuse_lost_fields(asking, target, request, kept, rare)
        _refuse_lost_tools(asking, target, request, kept, odd)
        _refuse_lost_parts(asking, target, request, kept, strange)
        return Translated(
            [request],
            whole=lambda bodies: _whole(chat, request.body, bodies[0]),
            events=lambda: target.events(chat),
            stream_type=target.stream_type,
        )

    return translate


def transformed(chat: Chat) -> dict[str, Any]:
    """Return the body that litellm's translator makes."""
    body: dict[str, Any] = chat.config.transform_request(
        model=chat.model,
        messages=chat.messages,
        optional_params=chat.optional,
        litellm_params=chat.context,
        headers=chat.headers,
    )
    return body


def without_credentials(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return litellm's headers without the placeholder of a key; the sign-in adds the real one."""
    return {
        name: str(value)
        for name, value in headers.items()
        if PLACEHOLDER not in str(value) and name.lower() not in ("authorization", "x-api-key", "content-type")
    }


def _understood(asking: Asking, target: Target) -> Chat:
    from litellm.types.utils import LlmProviders  # noqa: PLC0415
    from litellm.utils import ProviderConfigManager, get_optional_params  # noqa: PLC0415

    family, model = target.family(asking), target.model(asking)
    known = (_supported(family, model) | target.own) - _NEVER
    refuse_unknown(asking, known | _NOT_PARAMETERS, harmless=HARMLESS)
    wished = {
        name: value
        for name, value in asking.fields.items()
        if name not in _NOT_PARAMETERS and value is not None and not _left_out(name, value, known)
    }
    messages = asking.fields["messages"]
    optional: dict[str, Any] = get_optional_params(
        model=model, custom_llm_provider=family, messages=messages, drop_params=False, **wished
    )
    config = (
        target.config(asking)
        if target.config is not None
        else ProviderConfigManager.get_provider_chat_config(model=model, provider=LlmProviders(family))
    )
    json_mode = bool(optional.pop("json_mode", False))
    return Chat(asking, config, model, messages, optional, json_mode)


@lru_cache(maxsize=256)
def _supported(family: str, model: str) -> frozenset[str]:
    """Return the fields that litellm says it can honour; it takes long to find out."""
    from litellm.litellm_core_utils.get_supported_openai_params import get_supported_openai_params  # noqa: PLC0415

    return frozenset(get_supported_openai_params(model=model, custom_llm_provider=family) or ())


def _left_out(name: str, value: object, known: frozenset[str]) -> bool:
    """Tell whether a field says what holds anyway, or is a name that the target has no place for."""
    return is_harmless(name, value, HARMLESS) and (HARMLESS[name] is not ANY or name not in known)


def _whole(chat: Chat, body_sent: Any, body: bytes) -> bytes:
    import httpx  # noqa: PLC0415 - litellm has loaded it
    from litellm.types.utils import ModelResponse  # noqa: PLC0415

    response = chat.config.transform_response(
        model=chat.asking.model,
        raw_response=httpx.Response(200, content=body),
        model_response=ModelResponse(),
        logging_obj=Silent(chat.optional),
        request_data={},
        messages=chat.messages,
        optional_params=chat.optional,
        litellm_params=chat.context,
        encoding=None,
        json_mode=chat.json_mode,
    )
    fields = response.model_dump(exclude_none=True)
    for choice in fields.get("choices", ()):
        choice["message"].setdefault("content", None)
    return msgspec.json.encode(fields)


def refuse_remote_media(messages: list[Any]) -> None:
    """Refuse links in messages: translating them would make the gateway fetch what a caller names."""
    if any("://" in text[:20] for _, text in _media(messages)):
        raise InvalidInput(
            "The gateway fetches no links, and this model's protocol takes none as they are.",
            hint="Send the content itself, as a data: URL.",
            code="remote_media",
            param="messages",
        )


def _may_leave_no_trace(asking: Asking, name: str) -> bool:
    value = asking.fields[name]
    return value is None or is_harmless(name, value, HARMLESS) or is_harmless(name, value, _HARMLESS_IF_LOST)


def _refuse_lost_fields(
    asking: Asking, target: Target, request: Request, fields: dict[str, Any], rare: list[str]
) -> None:
    """Refuse a field that litellm takes and then leaves out: the request is the same without it."""
    for name in rare:
        if _is_the_same(asking, target, request, {key: value for key, value in fields.items() if key != name}):
            raise cant_be_honoured(asking, name)


def _refuse_lost_tools(
    asking: Asking, target: Target, request: Request, fields: dict[str, Any], odd: list[int]
) -> None:
    """Refuse a tool that is no function and that litellm leaves out."""
    for number in odd:
        tools = [tool for other, tool in enumerate(fields["tools"]) if other != number]
        if _is_the_same(asking, target, request, {**fields, "tools": tools}):
            raise InvalidInput(
                f"A tool of type {fields['tools'][number]['type'][:80]!r} can't be honoured: {asking.model!r} at "
                f"provider {asking.provider!r} knows none.",
                hint="Leave it out, or name another model.",
                code="unsupported_parameter",
                param="tools",
            )


def _is_the_same(asking: Asking, target: Target, request: Request, fields: dict[str, Any]) -> bool:
    """Tell whether other fields make the same request."""
    try:
        other = target.request(_understood(replace(asking, fields=deepcopy(fields)), target))
    except Exception:  # noqa: BLE001 - without what is left out the others make no sense, so it is needed
        return False
    return msgspec.json.encode(other.body) == msgspec.json.encode(request.body) and other.headers == request.headers


def _of_system(messages: list[Any]) -> list[Any]:
    """Return messages with OpenAI's newer name of the system's role as its older: other protocols know no other."""
    return [{**one, "role": "system"} if one["role"] == "developer" else one for one in messages]


def _refuse_blank(asking: Asking) -> None:
    for number, message in enumerate(asking.fields["messages"]):
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        blank = any(isinstance(text, str) and not text.strip() for text in texts)
        if blank and message["role"] in ("user", "assistant") and not message.get("tool_calls"):
            raise InvalidInput(
                f"messages[{number}] has an empty text, and {asking.model!r} at provider {asking.provider!r} takes "
                "none.",
                hint="Leave it out, or say something in it.",
                code="empty_message",
                param="messages",
            )


def _refuse_lost_media(asking: Asking, request: Request) -> None:
    """Refuse pictures, sound and files that litellm left out, as it does for some providers without a word."""
    sent = [(kind, text.rpartition(",")[2]) for kind, text in _media(asking.fields["messages"])]
    body = msgspec.json.encode(request.body) if sent else b""
    for kind, data in sent:
        if data.encode() not in body:
            raise _part_cant_be_honoured(asking, kind)


def _refuse_lost_parts(
    asking: Asking, target: Target, request: Request, fields: dict[str, Any], strange: list[tuple[int, int, str]]
) -> None:
    """Refuse a content part of a type that litellm does not know and leaves out."""
    for number, place, kind in strange:
        messages = list(fields["messages"])
        content = [part for other, part in enumerate(messages[number]["content"]) if other != place]
        messages[number] = {**messages[number], "content": content}
        if _is_the_same(asking, target, request, {**fields, "messages": messages}):
            raise _part_cant_be_honoured(asking, kind)


def _part_cant_be_honoured(asking: Asking, kind: str) -> InvalidInput:
    return InvalidInput(
        f"A content part of type {kind!r} can't be honoured: {asking.model!r} at provider {asking.provider!r} "
        "takes none.",
        hint="Leave it out, or name another model.",
        code="unsupported_parameter",
        param="messages",
    )


def _parts(messages: list[Any]) -> Iterator[tuple[int, int, Any]]:
    """Yield each content part: the number of its message, its own, and what it is."""
    for number, message in enumerate(messages):
        content = message.get("content") if isinstance(message, dict) else None
        for place, part in enumerate(content if isinstance(content, list) else ()):
            yield number, place, part


def _strange_parts(messages: list[Any]) -> Iterator[tuple[int, int, str]]:
    """Yield where parts stand that are neither text nor of a known medium, and of what type they are."""
    for number, place, part in _parts(messages):
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind != "text" and kind not in _MEDIA:
            yield number, place, kind[:80]


def _media(messages: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield what stands in messages beside text, each with its type."""
    for _, _, part in _parts(messages):
        for kind, names in _MEDIA.items():
            value = part.get(kind) if isinstance(part, dict) else None
            held = [value.get(name) for name in names] if isinstance(value, dict) else [value]
            yield from ((kind, text) for text in held if isinstance(text, str) and text)
