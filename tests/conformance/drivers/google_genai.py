"""google-genai, for Gemini with a key and for Vertex with a token."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from driver import HELLO, LARGE, LETTERS, PNG, SLOW, TOOL_NAMES, TOOL_SCHEMA, Cases, Target, raised, serve
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name=name, description=name, parameters_json_schema=TOOL_SCHEMA)
            for name in TOOL_NAMES
        ]
    )
]


def client(target: Target, *, key: str | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=target.base_url, timeout=30_000)
    if target.flavour == "vertex":
        token: Any = Credentials(token=key or target.key)
        return genai.Client(
            vertexai=True, project="menu-team", location="europe-west4", credentials=token, http_options=options
        )
    return genai.Client(api_key=key or target.key, http_options=options)


def seen(answer: Any) -> Any:
    usage = answer.usage_metadata
    finish = answer.candidates[0].finish_reason
    return {
        "text": answer.text,
        "finish": finish.value if finish else None,
        "tokens": [usage.prompt_token_count, usage.candidates_token_count],
    }


def ask(target: Target, contents: Any = HELLO, **config: Any) -> Any:
    made = types.GenerateContentConfig(**config) if config else None
    with client(target) as sdk:
        return sdk.models.generate_content(model=target.model, contents=contents, config=made)


def plain(target: Target) -> Any:
    return seen(ask(target))


def _joined(chunks: list[Any]) -> Any:
    return {
        **seen(chunks[-1]),
        "text": "".join(chunk.text or "" for chunk in chunks),
        "pieces": sum(bool(chunk.text) for chunk in chunks),
    }


def streamed(target: Target) -> Any:
    with client(target) as sdk:
        return _joined(list(sdk.models.generate_content_stream(model=target.model, contents=HELLO)))


def streamed_async(target: Target) -> Any:
    async def run() -> list[Any]:
        async with client(target).aio as sdk:
            stream = await sdk.models.generate_content_stream(model=target.model, contents=HELLO)
            return [chunk async for chunk in stream]

    return _joined(asyncio.run(run()))


def _no_calling() -> Any:
    return types.AutomaticFunctionCallingConfig(disable=True)


def tools(target: Target) -> Any:
    answer = ask(target, tools=TOOLS, automatic_function_calling=_no_calling())
    return {"calls": [[call.name, call.args] for call in answer.function_calls or []]}


def tools_streamed(target: Target) -> Any:
    config = types.GenerateContentConfig(tools=TOOLS, automatic_function_calling=_no_calling())  # type: ignore[arg-type]
    with client(target) as sdk:
        chunks = sdk.models.generate_content_stream(model=target.model, contents=HELLO, config=config)
        return {"calls": [[call.name, call.args] for chunk in chunks for call in chunk.function_calls or []]}


def tool_result(target: Target) -> Any:
    contents = [
        types.UserContent(HELLO),
        types.ModelContent(types.Part.from_function_call(name="find_dish", args={"name": "ramen"})),
        types.UserContent(types.Part.from_function_response(name="find_dish", response={"result": "ramen is 9 EUR"})),
    ]
    answer = ask(target, contents, tools=TOOLS, automatic_function_calling=_no_calling())
    return {"text": answer.text}


def letters(target: Target) -> Any:
    return {"text": ask(target, LETTERS).text}


def large(target: Target) -> Any:
    answer = ask(target, "short", system_instruction=LARGE)
    return {"text": answer.text, "read": answer.usage_metadata.prompt_token_count}


def image_in(target: Target) -> Any:
    return {"text": ask(target, ["look", types.Part.from_bytes(data=PNG, mime_type="image/png")]).text}


def json_schema(target: Target) -> Any:
    return ask(target, response_mime_type="application/json", response_json_schema=TOOL_SCHEMA).parsed


def cancel(target: Target) -> Any:
    with client(target) as sdk:
        stream = sdk.models.generate_content_stream(model=target.model, contents=SLOW)
        return {"pieces": sum(1 for _ in zip(stream, range(3), strict=False))}


def embeddings(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.models.embed_content(model=target.models["embedding"], contents=["a", "b"])
    return {"vectors": [[round(n, 4) for n in row.values or []] for row in answer.embeddings or []]}


def counted(target: Target) -> Any:
    with client(target) as sdk:
        return {"read": sdk.models.count_tokens(model=target.model, contents=HELLO).total_tokens}


def image(target: Target) -> Any:
    with client(target) as sdk:
        answer = sdk.models.generate_images(
            model=target.models["image"], prompt=HELLO, config=types.GenerateImagesConfig(number_of_images=1)
        )
    found = [one.image.image_bytes or b"" for one in answer.generated_images or [] if one.image]
    return {"images": [hashlib.sha256(raw).hexdigest()[:12] for raw in found]}


def _refused(key: str | None = None, model: str | None = None) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        with client(target, key=key) as sdk:
            try:
                sdk.models.generate_content(model=model or target.model, contents=HELLO)
            except errors.APIError as error:
                return raised(error, error.code)
        return "no error"

    return case


def error_in_stream(target: Target) -> Any:
    got = 0
    with client(target) as sdk:
        try:
            for chunk in sdk.models.generate_content_stream(model=target.model, contents=HELLO):
                got += bool(chunk.text)
        except errors.APIError as error:
            return {**raised(error, None), "after": got}
    return {"after": got, "raised": None}


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
    "counted": counted,
    "image": image,
    "bad_key": _refused(key="wrong-key"),
    "unknown_model": _refused(model="no-such-model"),
    "rate_limit": _refused(),
    "provider_down": _refused(),
    "too_long": _refused(),
    "error_in_stream": error_in_stream,
}

if __name__ == "__main__":
    serve(CASES)
