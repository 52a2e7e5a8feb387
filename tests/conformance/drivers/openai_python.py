"""openai-python, as it documents itself; the same file runs with 2.x and 3.x, for OpenAI and for Azure."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import openai
from driver import (
    HELLO,
    LARGE,
    LETTERS,
    PNG,
    PNG_BASE64,
    SLOW,
    TOOL_NAMES,
    TOOL_SCHEMA,
    WAV,
    Cases,
    Target,
    raised,
    serve,
)

TOOLS: Any = [{"type": "function", "function": {"name": name, "parameters": TOOL_SCHEMA}} for name in TOOL_NAMES]
RESPONSE_TOOLS: Any = [{"type": "function", "name": name, "parameters": TOOL_SCHEMA} for name in TOOL_NAMES]
_OPTIONS: Any = {"max_retries": 0, "timeout": 30.0}


def client(target: Target, *, key: str | None = None) -> openai.OpenAI:
    key = key or target.key
    if target.flavour == "azure":
        return openai.AzureOpenAI(azure_endpoint=target.base_url, api_key=key, api_version="2024-10-21", **_OPTIONS)
    return openai.OpenAI(base_url=target.base_url, api_key=key, **_OPTIONS)


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


def tokens(usage: Any) -> list[int]:
    return [usage.prompt_tokens, usage.completion_tokens]


def calls(found: Any) -> list[Any]:
    return [[call.function.name, json.loads(call.function.arguments)] for call in found]


def plain(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.chat.completions.create(model=target.model, messages=user(HELLO))
    choice = answer.choices[0]
    return {"text": choice.message.content, "finish": choice.finish_reason, "tokens": tokens(answer.usage)}


def streamed(target: Target) -> Any:
    with client(target) as sdk:
        chunks = list(
            sdk.chat.completions.create(
                model=target.model, messages=user(HELLO), stream=True, stream_options={"include_usage": True}
            )
        )
    return _joined(chunks)


def _joined(chunks: list[Any]) -> Any:
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    return {
        "text": "".join(pieces),
        "pieces": sum(bool(piece) for piece in pieces),
        "finish": [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1],
        "tokens": [tokens(chunk.usage) for chunk in chunks if chunk.usage][-1],
        "order": ["usage" if chunk.usage else "delta" for chunk in chunks],
    }


def streamed_async(target: Target) -> Any:
    async def ask() -> list[Any]:
        maker: Any = openai.AsyncAzureOpenAI if target.flavour == "azure" else openai.AsyncOpenAI
        where = (
            {"azure_endpoint": target.base_url, "api_version": "2024-10-21"}
            if target.flavour == "azure"
            else {"base_url": target.base_url}
        )
        async with maker(api_key=target.key, **where, **_OPTIONS) as sdk:
            stream = await sdk.chat.completions.create(
                model=target.model, messages=user(HELLO), stream=True, stream_options={"include_usage": True}
            )
            return [chunk async for chunk in stream]

    return _joined(asyncio.run(ask()))


def tools(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.chat.completions.create(model=target.model, messages=user(HELLO), tools=TOOLS)
    choice = answer.choices[0]
    return {"calls": calls(choice.message.tool_calls), "finish": choice.finish_reason}


def tools_streamed(target: Target) -> Any:
    written: dict[int, list[str]] = {}
    finish = None
    with client(target) as sdk:
        for chunk in sdk.chat.completions.create(model=target.model, messages=user(HELLO), tools=TOOLS, stream=True):
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                for piece in choice.delta.tool_calls or []:
                    held = written.setdefault(piece.index, ["", ""])
                    held[0] += piece.function.name or ""
                    held[1] += piece.function.arguments or ""
    return {"calls": [[name, json.loads(text)] for name, text in written.values()], "finish": finish}


def tool_result(target: Target) -> Any:
    called = {"id": "call_1", "type": "function", "function": {"name": "find_dish", "arguments": '{"name": "ramen"}'}}
    turns: Any = [
        *user(HELLO),
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ramen is 9 EUR"},
    ]
    with client(target) as sdk:
        answer = sdk.chat.completions.create(model=target.model, messages=turns, tools=TOOLS)
    return {"text": answer.choices[0].message.content}


def json_schema(target: Target) -> Any:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "dish", "strict": True, "schema": TOOL_SCHEMA}}
    with client(target) as sdk:
        answer = sdk.chat.completions.create(model=target.model, messages=user(HELLO), response_format=wanted)
    return json.loads(answer.choices[0].message.content or "")


def letters(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.chat.completions.create(model=target.model, messages=user(LETTERS))
    return {"text": answer.choices[0].message.content}


def large(target: Target) -> Any:
    turns: Any = [{"role": "system", "content": LARGE}, *user("short")]
    with client(target) as sdk:
        answer = sdk.chat.completions.create(model=target.model, messages=turns)
    return {"text": answer.choices[0].message.content, "read": answer.usage.prompt_tokens if answer.usage else 0}


def image_in(target: Target) -> Any:
    url = f"data:image/png;base64,{PNG_BASE64}"
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}]
    with client(target) as sdk:
        answer = sdk.chat.completions.create(model=target.model, messages=user(parts))
    return {"text": answer.choices[0].message.content}


def cancel(target: Target) -> Any:
    with client(target) as sdk:
        stream = sdk.chat.completions.create(model=target.model, messages=user(SLOW), stream=True)
        pieces = sum(1 for _ in zip(stream, range(3), strict=False))
        stream.close()
    return {"pieces": pieces}


def embeddings(target: Target) -> Any:
    with client(target) as sdk:
        packed = sdk.embeddings.create(model=target.models["embedding"], input=["a", "b"])
        plain = sdk.embeddings.create(model=target.models["embedding"], input=["a", "b"], encoding_format="float")
    found = [[[round(n, 4) for n in row.embedding] for row in answer.data] for answer in (packed, plain)]
    return {"vectors": found[1], "same": found[0] == found[1], "tokens": packed.usage.prompt_tokens}


def _refused(key: str | None = None, model: str | None = None, **more: Any) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        with client(target, key=key) as sdk:
            try:
                sdk.chat.completions.create(model=model or target.model, messages=user(HELLO), **more)
            except openai.APIStatusError as error:
                return raised(error, error.status_code)
        return "no error"

    return case


def error_in_stream(target: Target) -> Any:
    got = 0
    with client(target) as sdk:
        try:
            for chunk in sdk.chat.completions.create(model=target.model, messages=user(HELLO), stream=True):
                got += bool(chunk.choices and chunk.choices[0].delta.content)
        except openai.APIError as error:
            return {**raised(error, None), "after": got}
    return "no error"


def response(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.responses.create(model=target.model, input=HELLO)
    return {"text": answer.output_text, "tokens": [answer.usage.input_tokens, answer.usage.output_tokens]}


def response_streamed(target: Target) -> Any:
    with client(target) as sdk:
        events = list(sdk.responses.create(model=target.model, input=HELLO, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    return {"text": text, "order": [event.type for event in events]}


def response_tools(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.responses.create(model=target.model, input=HELLO, tools=RESPONSE_TOOLS)
    return {"calls": [[o.name, json.loads(o.arguments)] for o in answer.output if o.type == "function_call"]}


def response_followed(target: Target) -> Any:
    with client(target) as sdk:
        first = sdk.responses.create(model=target.model, input=HELLO)
        second = sdk.responses.create(model=target.model, input="and now?", previous_response_id=first.id)
        return {"text": second.output_text}


def completion(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.completions.create(model=target.model, prompt=HELLO)
    return {"text": answer.choices[0].text}


def image(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.images.generate(model=target.models["image"], prompt=HELLO)
    return {"images": [_hash(one.b64_json) for one in answer.data or []]}


def image_edit(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.images.edit(
            model=target.models["image"], prompt=HELLO, image=("dish.png", PNG), mask=("mask.png", PNG)
        )
    return {"images": [_hash(one.b64_json) for one in answer.data or []]}


def _hash(data: Any) -> str:
    raw = data if isinstance(data, bytes) else str(data).encode()
    return hashlib.sha256(raw).hexdigest()[:12]


def speech(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.audio.speech.create(model=target.models["speech"], voice="alloy", input=HELLO)
        return {"sound": _hash(answer.content), "bytes": len(answer.content)}


def transcription(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.audio.transcriptions.create(model=target.models["transcription"], file=("a.wav", io.BytesIO(WAV)))
    return {"text": answer.text}


def translation(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.audio.translations.create(model=target.models["transcription"], file=("a.wav", io.BytesIO(WAV)))
    return {"text": answer.text}


def moderation(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.moderations.create(model=target.models["moderation"], input=HELLO)
    return {"flagged": [row.flagged for row in answer.results]}


def files(target: Target) -> Any:
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions"}
    line["body"] = {"model": target.model, "messages": user(HELLO)}  # type: ignore[assignment]
    content = (json.dumps(line) + "\n").encode()
    with client(target) as sdk:
        kept = sdk.files.create(file=("in.jsonl", content), purpose="batch")
        listed = kept.id in [one.id for one in sdk.files.list()]
        back = sdk.files.content(kept.id).read()
        told = sdk.files.retrieve(kept.id)
        gone = sdk.files.delete(kept.id).deleted
    return {"bytes": told.bytes, "same": back == content, "listed": listed, "deleted": gone, "purpose": told.purpose}


def batch(target: Target) -> Any:
    line: Any = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions"}
    line["body"] = {"model": target.model, "messages": user(HELLO)}
    with client(target) as sdk:
        kept = sdk.files.create(file=("in.jsonl", (json.dumps(line) + "\n").encode()), purpose="batch")
        made = sdk.batches.create(input_file_id=kept.id, endpoint="/v1/chat/completions", completion_window="24h")
        for _ in range(20):
            found = sdk.batches.retrieve(made.id)
            if found.status in ("completed", "failed", "expired"):
                break
        output = sdk.files.content(found.output_file_id).text if found.output_file_id else ""
        listed = made.id in [one.id for one in sdk.batches.list()]
    row = json.loads(output.splitlines()[0]) if output else {}
    text = row["response"]["body"]["choices"][0]["message"]["content"] if row else None
    return {"status": found.status, "id": row.get("custom_id"), "text": text, "listed": listed}


def fine_tuned(target: Target) -> Any:
    """A finished job's model answers by its name, with nothing configured in between."""
    turns = [*user("hello"), {"role": "assistant", "content": "hi"}]
    content = (json.dumps({"messages": turns}) + "\n").encode() * 10
    with client(target) as sdk:
        kept = sdk.files.create(file=("train.jsonl", content), purpose="fine-tune")
        job = sdk.fine_tuning.jobs.create(training_file=kept.id, model=target.model)
        for _ in range(20):
            found = sdk.fine_tuning.jobs.retrieve(job.id)
            if found.status in ("succeeded", "failed"):
                break
        listed = job.id in [one.id for one in sdk.fine_tuning.jobs.list()]
        answer = sdk.chat.completions.create(model=found.fine_tuned_model or "", messages=user(HELLO))
    return {"status": found.status, "listed": listed, "text": answer.choices[0].message.content}


def models(target: Target) -> Any:
    with client(target) as sdk:
        return {"found": target.model in [model.id for model in sdk.models.list()]}


CASES: Cases = {
    "plain": plain,
    "streamed": streamed,
    "streamed_async": streamed_async,
    "tools": tools,
    "tools_streamed": tools_streamed,
    "tool_result": tool_result,
    "json_schema": json_schema,
    "letters": letters,
    "large": large,
    "image_in": image_in,
    "cancel": cancel,
    "embeddings": embeddings,
    "bad_key": _refused(key="wrong-key"),
    "unknown_model": _refused(model="no-such-model"),
    "rate_limit": _refused(),
    "provider_down": _refused(),
    "too_long": _refused(),
    "error_in_stream": error_in_stream,
    "response": response,
    "response_streamed": response_streamed,
    "response_tools": response_tools,
    "response_followed": response_followed,
    "completion": completion,
    "image": image,
    "image_edit": image_edit,
    "speech": speech,
    "transcription": transcription,
    "translation": translation,
    "moderation": moderation,
    "files": files,
    "batch": batch,
    "fine_tuned": fine_tuned,
    "models": models,
}

if __name__ == "__main__":
    serve(CASES)
