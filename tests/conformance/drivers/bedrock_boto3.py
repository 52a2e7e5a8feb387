"""boto3's Bedrock runtime: Converse and InvokeModel, plain and streamed, signed by SigV4."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from driver import HELLO, LARGE, LETTERS, PNG, SLOW, TOOL_NAMES, TOOL_SCHEMA, Cases, Target, raised, serve

TOOLS: Any = {"tools": [{"toolSpec": {"name": n, "inputSchema": {"json": TOOL_SCHEMA}}} for n in TOOL_NAMES]}


def client(target: Target, *, key: str | None = None) -> Any:
    """The gateway key is the access key id, with any secret; a provider's own has both parts."""
    access, _, secret = (key or target.key).partition(":")
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=target.base_url,
        aws_access_key_id=access,
        aws_secret_access_key=secret or "any-secret",
        region_name="eu-central-1",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
    )


def asked(target: Target, content: Any = HELLO, **more: Any) -> Any:
    parts = [{"text": content}] if isinstance(content, str) else content
    return {"modelId": target.model, "messages": [{"role": "user", "content": parts}], **more}


def seen(answer: Any) -> Any:
    content = answer["output"]["message"]["content"]
    return {
        "text": "".join(block.get("text", "") for block in content),
        "finish": answer["stopReason"],
        "tokens": [answer["usage"]["inputTokens"], answer["usage"]["outputTokens"]],
    }


def plain(target: Target) -> Any:
    return seen(client(target).converse(**asked(target)))


def streamed(target: Target) -> Any:
    events = list(client(target).converse_stream(**asked(target))["stream"])
    pieces = [e["contentBlockDelta"]["delta"].get("text", "") for e in events if "contentBlockDelta" in e]
    usage = next(event["metadata"]["usage"] for event in events if "metadata" in event)
    return {
        "text": "".join(pieces),
        "pieces": len(pieces),
        "finish": next(event["messageStop"]["stopReason"] for event in events if "messageStop" in event),
        "tokens": [usage["inputTokens"], usage["outputTokens"]],
        "order": [next(iter(event)) for event in events],
    }


def tools(target: Target) -> Any:
    answer = client(target).converse(**asked(target, toolConfig=TOOLS))
    content = answer["output"]["message"]["content"]
    found = [[b["toolUse"]["name"], b["toolUse"]["input"]] for b in content if "toolUse" in b]
    return {"calls": found, "finish": answer["stopReason"]}


def tools_streamed(target: Target) -> Any:
    names: list[str] = []
    texts: list[str] = []
    finish = None
    for event in client(target).converse_stream(**asked(target, toolConfig=TOOLS))["stream"]:
        start = event.get("contentBlockStart", {}).get("start", {}).get("toolUse")
        delta = event.get("contentBlockDelta", {}).get("delta", {}).get("toolUse")
        if start:
            names.append(start["name"])
            texts.append("")
        if delta:
            texts[-1] += delta["input"]
        finish = event.get("messageStop", {}).get("stopReason") or finish
    return {"calls": [[name, json.loads(text)] for name, text in zip(names, texts, strict=True)], "finish": finish}


def tool_result(target: Target) -> Any:
    use = {"toolUseId": "t1", "name": "find_dish", "input": {"name": "ramen"}}
    result = {"toolUseId": "t1", "content": [{"text": "ramen is 9 EUR"}]}
    question = asked(target, toolConfig=TOOLS)
    question["messages"] += [
        {"role": "assistant", "content": [{"toolUse": use}]},
        {"role": "user", "content": [{"toolResult": result}]},
    ]
    return {"text": seen(client(target).converse(**question))["text"]}


def letters(target: Target) -> Any:
    return {"text": seen(client(target).converse(**asked(target, LETTERS)))["text"]}


def large(target: Target) -> Any:
    found = seen(client(target).converse(**asked(target, "short", system=[{"text": LARGE}])))
    return {"text": found["text"], "read": found["tokens"][0]}


def image_in(target: Target) -> Any:
    parts = [{"text": "look"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]
    return {"text": seen(client(target).converse(**asked(target, parts)))["text"]}


def cancel(target: Target) -> Any:
    stream = client(target).converse_stream(**asked(target, SLOW))["stream"]
    got = sum(1 for _ in zip(stream, range(3), strict=False))
    stream.close()
    return {"pieces": got}


def _claude(content: str) -> str:
    turns = [{"role": "user", "content": content}]
    return json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": turns})


def invoked(target: Target) -> Any:
    answer = client(target).invoke_model(modelId=target.model, body=_claude(HELLO))
    body = json.loads(answer["body"].read())
    return {
        "text": body["content"][0]["text"],
        "tokens": [body["usage"]["input_tokens"], body["usage"]["output_tokens"]],
    }


def invoked_streamed(target: Target) -> Any:
    answer = client(target).invoke_model_with_response_stream(modelId=target.model, body=_claude(HELLO))
    events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    pieces = [event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"]
    return {"text": "".join(pieces), "order": [event["type"] for event in events]}


def embeddings(target: Target) -> Any:
    vectors = []
    for text in ("a", "b"):
        answer = client(target).invoke_model(modelId=target.models["embedding"], body=json.dumps({"inputText": text}))
        vectors.append([round(n, 4) for n in json.loads(answer["body"].read())["embedding"]])
    return {"vectors": vectors}


def _refused(key: str | None = None, **more: Any) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        try:
            client(target, key=key).converse(**asked(target, **more))
        except ClientError as error:
            return {**raised(error, error.response["ResponseMetadata"]["HTTPStatusCode"]),
                    "code": error.response["Error"]["Code"]}  # fmt: skip
        return "no error"

    return case


def error_in_stream(target: Target) -> Any:
    got = 0
    try:
        for event in client(target).converse_stream(**asked(target))["stream"]:
            got += "contentBlockDelta" in event
    except EventStreamError as error:
        return {**raised(error, None), "after": got}
    return "no error"


CASES: Cases = {
    "plain": plain,
    "streamed": streamed,
    "tools": tools,
    "tools_streamed": tools_streamed,
    "tool_result": tool_result,
    "letters": letters,
    "large": large,
    "image_in": image_in,
    "cancel": cancel,
    "invoked": invoked,
    "invoked_streamed": invoked_streamed,
    "embeddings": embeddings,
    "bad_key": _refused(key="wrong-key:wrong-secret"),
    "unknown_model": _refused(modelId="no.such-model-v1:0"),
    "rate_limit": _refused(),
    "provider_down": _refused(),
    "too_long": _refused(),
    "error_in_stream": error_in_stream,
}

if __name__ == "__main__":
    serve(CASES)
