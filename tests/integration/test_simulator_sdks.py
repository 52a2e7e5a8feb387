"""The official SDKs of every provider against the simulator itself, which keeps it honest: chat, plain and streamed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import boto3
import botocore.exceptions
import google.genai.errors
import google.oauth2.credentials
import httpx
import jsonschema
import ollama
import openai
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from google import genai
from google.genai import types

from workbench.simulator.picture import Picture, painted, read, write
from workbench.testing.simulator import SimulatedProviders, simulated_providers
from workbench.wire.json_array import END, Splitter

HELLO: Any = [{"role": "user", "content": "hello there"}]
BLOCKS: Any = [{"role": "user", "content": [{"text": "hello there"}]}]
CLAUDE_ON_BEDROCK = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"enum": ["delivery", "payment"]},
        "reasons": {"type": "array", "items": {"$ref": "#/$defs/reason"}, "minItems": 2},
        "score": {"type": "number", "minimum": 3},
        "none": {"type": ["string", "null"]},
    },
    "required": ["label", "reasons", "score", "none"],
    "additionalProperties": False,
    "$defs": {"reason": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
}
PICTURE = painted("a pizza")


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedProviders]:
    with simulated_providers() as providers:
        yield providers


@pytest.fixture
def providers(running: SimulatedProviders) -> SimulatedProviders:
    running.clear()
    return running


@pytest.fixture
def gpt(providers: SimulatedProviders) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{providers.url}/v1", api_key=providers.credential, max_retries=0)


@pytest.fixture
def azure(providers: SimulatedProviders) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(
        azure_endpoint=providers.url, api_key=providers.credential, api_version="2024-10-21", max_retries=0
    )


@pytest.fixture
def claude(providers: SimulatedProviders) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=providers.url, api_key=providers.credential, max_retries=0)


@pytest.fixture
def gemini(providers: SimulatedProviders) -> genai.Client:
    return genai.Client(api_key=providers.credential, http_options=types.HttpOptions(base_url=providers.url))


@pytest.fixture
def vertex(providers: SimulatedProviders) -> genai.Client:
    return genai.Client(
        vertexai=True,
        project="p",
        location="europe-west4",
        credentials=google.oauth2.credentials.Credentials(providers.google_token()),
        http_options=types.HttpOptions(base_url=providers.url),
    )


def bedrock_of(providers: SimulatedProviders, **other: Any) -> Any:
    told = {"aws_access_key_id": providers.aws_key_id, "aws_secret_access_key": providers.aws_secret, **other}
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=providers.url,
        region_name="eu-central-1",
        config=Config(retries={"total_max_attempts": 1}),
        **told,
    )


@pytest.fixture
def bedrock(providers: SimulatedProviders) -> Any:
    return bedrock_of(providers)


# -- OpenAI ----------------------------------------------------------------------------------------------------------


def test_openai_calls_tools_in_parallel_and_answers_their_result(gpt: openai.OpenAI) -> None:
    tools: Any = [
        {
            "type": "function",
            "function": {"name": name, "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        }
        for name in ("first", "second")
    ]
    asked = gpt.chat.completions.create(model="m", messages=HELLO, tools=tools).choices[0]
    assert asked.finish_reason == "tool_calls"
    assert [c.function.name for c in asked.message.tool_calls or () if c.type == "function"] == ["first", "second"]
    with gpt.chat.completions.stream(model="m", messages=HELLO, tools=tools) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == [
        ("first", {"n": 1}),
        ("second", {"n": 1}),
    ]
    assert len({c.id for c in calls}) == 2
    one = gpt.chat.completions.create(model="m", messages=HELLO, tools=tools, parallel_tool_calls=False)
    assert len(one.choices[0].message.tool_calls or ()) == 1
    result: Any = [*HELLO, asked.message.model_dump(), {"role": "tool", "tool_call_id": calls[0].id, "content": "42"}]
    assert gpt.chat.completions.create(model="m", messages=result, tools=tools).choices[0].message.content == "echo: 42"


def test_openai_gives_n_choices_whose_streams_take_turns(gpt: openai.OpenAI) -> None:
    plain = gpt.chat.completions.create(model="m", messages=HELLO, n=3)
    texts = [c.message.content for c in plain.choices]
    assert len(set(texts)) == 3
    streamed = ["", "", ""]
    for chunk in gpt.chat.completions.create(model="m", messages=HELLO, n=3, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts
    assert plain.usage
    assert plain.usage.completion_tokens == 3 + 4 + 4


def test_openai_gives_logprobs(gpt: openai.OpenAI) -> None:
    plain = gpt.chat.completions.create(model="m", messages=HELLO, logprobs=True, top_logprobs=2).choices[0]
    assert plain.logprobs
    assert "".join(t.token for t in plain.logprobs.content or ()) == plain.message.content
    assert all(len(t.top_logprobs) == 2 for t in plain.logprobs.content or ())
    stream = gpt.chat.completions.create(model="m", messages=HELLO, logprobs=True, stream=True)
    told = [t.token for c in stream for t in (c.choices[0].logprobs.content or () if c.choices[0].logprobs else ())]
    assert "".join(told) == plain.message.content


def test_openai_answers_fit_the_schema(gpt: openai.OpenAI) -> None:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}
    told = gpt.chat.completions.create(model="m", messages=HELLO, response_format=wanted).choices[0].message.content
    jsonschema.validate(json.loads(told or ""), SCHEMA)


def test_openai_counts_reasoning_and_says_when_it_was_cut(gpt: openai.OpenAI) -> None:
    thought = gpt.chat.completions.create(model="gpt-5-mini", messages=HELLO, reasoning_effort="high").usage
    assert thought
    assert thought.completion_tokens_details
    assert thought.completion_tokens_details.reasoning_tokens == 8
    assert thought.completion_tokens == 8 + 3
    assert gpt.chat.completions.create(model="m", messages=HELLO, max_tokens=1).choices[0].finish_reason == "length"
    stopped = gpt.chat.completions.create(model="m", messages=HELLO, stop=[" there"]).choices[0]
    assert (stopped.finish_reason, stopped.message.content) == ("stop", "echo: hello")


def test_openai_sees_pictures_and_speaks(gpt: openai.OpenAI) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    content: Any = [{"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": url}}]
    told = gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    assert f"[image/png {len(PICTURE)} bytes" in (told.choices[0].message.content or "")
    spoken = gpt.chat.completions.create(
        model="m", messages=HELLO, modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}
    )
    audio = spoken.choices[0].message.audio
    assert audio
    assert base64.b64decode(audio.data).startswith(b"RIFF")
    assert audio.transcript == "echo: hello there"


def test_openai_caches_a_long_prompt_that_comes_again(gpt: openai.OpenAI) -> None:
    long: Any = [{"role": "system", "content": "word " * 2000}, *HELLO]
    cached = []
    for _ in range(2):
        usage = gpt.chat.completions.create(model="m", messages=long).usage
        assert usage
        assert usage.prompt_tokens_details
        cached.append(usage.prompt_tokens_details.cached_tokens)
    assert cached == [0, 1920]


def test_openai_completes_prompts(gpt: openai.OpenAI) -> None:
    assert gpt.completions.create(model="m", prompt=["a", "b"]).choices[1].text == "echo: b"
    stream = gpt.completions.create(model="m", prompt="a b", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(c.choices[0].text for c in chunks if c.choices) == "echo: a b"
    assert chunks[-1].usage


def test_openai_tells_errors_apart(gpt: openai.OpenAI, providers: SimulatedProviders) -> None:
    for status, error in ((429, openai.RateLimitError), (404, openai.NotFoundError), (503, openai.InternalServerError)):
        providers.fail("status", status=status, headers={"retry-after": "3"})
        with pytest.raises(error) as caught:
            gpt.chat.completions.create(model="m", messages=HELLO)
        assert isinstance(caught.value, openai.APIStatusError)
        assert caught.value.response.headers["retry-after"] == "3"


# -- Azure -----------------------------------------------------------------------------------------------------------


def test_azure_tells_its_content_filter_and_takes_a_token_of_entra(
    azure: openai.AzureOpenAI, providers: SimulatedProviders
) -> None:
    chunks = list(azure.chat.completions.create(model="my-gpt", messages=HELLO, stream=True))
    assert chunks[0].choices == []
    assert "".join(c.choices[0].delta.content or "" for c in chunks[1:]) == "echo: hello there"
    assert providers.requests[-1].path == "/openai/deployments/my-gpt/chat/completions"
    by_token = openai.AzureOpenAI(
        azure_endpoint=providers.url, azure_ad_token_provider=providers.entra_token, api_version="2024-10-21"
    )
    assert by_token.embeddings.create(model="e", input="a").data[0].embedding
    v1 = openai.OpenAI(base_url=f"{providers.url}/openai/v1", api_key=providers.credential)
    assert v1.chat.completions.create(model="my-gpt", messages=HELLO).choices[0].finish_reason == "stop"
    assert [seen.provider for seen in providers.requests] == ["azure"] * 3


def test_azure_refuses_a_strangers_key_and_a_missing_version(providers: SimulatedProviders) -> None:
    wrong = openai.AzureOpenAI(azure_endpoint=providers.url, api_key="wrong", api_version="2024-10-21", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(model="m", messages=HELLO)
    no_version = openai.OpenAI(
        base_url=f"{providers.url}/openai/deployments/m",
        api_key="unused",
        default_headers={"api-key": providers.credential},
        max_retries=0,
    )
    with pytest.raises(openai.NotFoundError):
        no_version.chat.completions.create(model="m", messages=HELLO)


# -- Anthropic -------------------------------------------------------------------------------------------------------


def test_anthropic_thinks_when_asked_to(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": "m", "messages": HELLO, "max_tokens": 2000}
    asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    plain = claude.messages.create(**asked)
    assert [block.type for block in plain.content] == ["thinking", "text"]
    with claude.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in plain.content]


def test_anthropic_calls_tools_and_answers_their_result(claude: anthropic.Anthropic) -> None:
    tools: Any = [{"name": "f", "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}]
    with claude.messages.stream(model="m", messages=HELLO, max_tokens=50, tools=tools) as stream:
        asked = stream.get_final_message()
    assert asked.stop_reason == "tool_use"
    assert asked.content[0].type == "tool_use"
    assert asked.content[0].input == {"n": 1}
    answered = {"type": "tool_result", "tool_use_id": asked.content[0].id, "content": "42"}
    messages: Any = [
        *HELLO,
        {"role": "assistant", "content": [b.to_dict() for b in asked.content]},
        {"role": "user", "content": [answered]},
    ]
    told = claude.messages.create(model="m", messages=messages, max_tokens=50, tools=tools)
    assert told.content[0].type == "text"
    assert told.content[0].text == "echo: 42"


def test_anthropic_tells_what_its_prompt_cache_held(claude: anthropic.Anthropic) -> None:
    system: Any = [{"type": "text", "text": "word " * 100, "cache_control": {"type": "ephemeral"}}]
    told = [
        claude.messages.create(model="m", messages=HELLO, max_tokens=50, system=system).usage.to_dict()
        for _ in range(2)
    ]
    counts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    assert [[usage[name] for name in counts] for usage in told] == [[2, 100, 0], [2, 0, 100]]


def test_anthropic_sees_pictures_counts_and_lists(claude: anthropic.Anthropic) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PICTURE).decode()}
    messages: Any = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    told = claude.messages.create(model="m", messages=messages, max_tokens=50).content[0]
    assert told.type == "text"
    assert f"[image/png {len(PICTURE)} bytes" in told.text
    assert claude.messages.count_tokens(model="m", messages=messages).input_tokens > 80
    assert "claude-sonnet-4-5" in [model.id for model in claude.models.list()]
    source["data"] = "no base64!"
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="m", messages=messages, max_tokens=50)


def test_anthropic_batches_end_with_results(claude: anthropic.Anthropic) -> None:
    params: Any = {"model": "m", "messages": HELLO, "max_tokens": 50}
    batch = claude.messages.batches.create(requests=[{"custom_id": "one", "params": params}])
    assert claude.messages.batches.retrieve(batch.id).processing_status == "ended"
    (result,) = list(claude.messages.batches.results(batch.id))
    assert result.custom_id == "one"
    assert result.result.type == "succeeded"


def test_anthropic_tells_of_a_failure_in_mid_stream(claude: anthropic.Anthropic, providers: SimulatedProviders) -> None:
    providers.fail("error", frames=4, message="overloaded")
    stream = claude.messages.create(model="m", messages=HELLO, max_tokens=50, stream=True)
    with pytest.raises(anthropic.APIStatusError, match="overloaded"):
        list(stream)


# -- Gemini and Vertex -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", ["gemini", "vertex"])
def test_google_is_answered_plain_and_streamed(cloud: str, request: pytest.FixtureRequest) -> None:
    client: genai.Client = request.getfixturevalue(cloud)
    plain = client.models.generate_content(model="gemini-2.5-flash", contents="hello there")
    assert plain.text == "echo: hello there"
    assert plain.usage_metadata
    assert (plain.usage_metadata.prompt_token_count, plain.usage_metadata.candidates_token_count) == (2, 3)
    streamed = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="hello there"))
    assert "".join(chunk.text or "" for chunk in streamed) == "echo: hello there"
    assert streamed[-1].usage_metadata
    assert streamed[-1].usage_metadata.total_token_count == 5
    assert client.models.count_tokens(model="gemini-2.5-flash", contents="hello there").total_tokens == 2
    vectors = client.models.embed_content(model="text-embedding-005", contents=["a", "b"]).embeddings or []
    assert [len(vector.values or ()) for vector in vectors] == [8, 8]


def test_gemini_calls_functions_and_answers_their_result(gemini: genai.Client) -> None:
    declared = types.FunctionDeclaration(
        name="f",
        parameters=types.Schema(type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER)}),
    )
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    asked = gemini.models.generate_content(model="m", contents="hi", config=config)
    assert asked.function_calls
    assert (asked.function_calls[0].name, asked.function_calls[0].args) == ("f", {"n": 1})
    assert asked.candidates
    assert asked.candidates[0].content
    answer = types.Part.from_function_response(name="f", response={"result": "42"})
    contents: Any = [types.Content(role="user", parts=[types.Part(text="hi")]), asked.candidates[0].content]
    told = gemini.models.generate_content(
        model="m", contents=[*contents, types.Content(role="user", parts=[answer])], config=config
    )
    assert told.text == "echo: 42"


def test_gemini_sees_pictures_thinks_and_fits_a_schema(gemini: genai.Client) -> None:
    parts: Any = ["what", types.Part.from_bytes(data=PICTURE, mime_type="image/png")]
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=100)
    seen = gemini.models.generate_content(
        model="m", contents=parts, config=types.GenerateContentConfig(thinking_config=thinking)
    )
    assert f"[image/png {len(PICTURE)} bytes" in (seen.text or "")
    assert seen.usage_metadata
    assert seen.usage_metadata.thoughts_token_count == 6
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)
    fitting = gemini.models.generate_content(model="m", contents="hi", config=config)
    jsonschema.validate(json.loads(fitting.text or ""), SCHEMA)


def test_gemini_answers_batches_until_they_are_deleted(gemini: genai.Client) -> None:
    asks: Any = [{"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]}]
    made = gemini.batches.create(model="m", src=asks, config={"display_name": "greetings"})
    assert made.name is not None
    found = gemini.batches.get(name=made.name)
    assert (found.state, found.display_name) == (types.JobState.JOB_STATE_SUCCEEDED, "greetings")
    assert found.dest is not None
    (answer,) = found.dest.inlined_responses or []
    assert answer.response is not None
    assert answer.response.text == gemini.models.generate_content(model="m", contents="hello there").text
    assert [one.name for one in gemini.batches.list()] == [made.name]
    gemini.batches.delete(name=made.name)
    with pytest.raises(google.genai.errors.ClientError, match="404"):
        gemini.batches.get(name=made.name)


def test_gemini_takes_its_key_in_three_places_and_streams_an_array(providers: SimulatedProviders) -> None:
    body = {"contents": [{"parts": [{"text": "hello there"}]}]}
    url, key = f"{providers.url}/v1beta/models/m:streamGenerateContent", providers.credential
    for headers, params in (
        ({"x-goog-api-key": key}, {}),
        ({}, {"key": key}),
        ({"authorization": f"Bearer {key}"}, {}),
    ):
        answer = httpx.post(url, json=body, headers=headers, params=params)
        assert answer.status_code == 200
        assert "".join(p["text"] for c in answer.json() for p in c["candidates"][0]["content"]["parts"]) == (
            "echo: hello there"
        )
        events = list(Splitter().feed(answer.content))
        assert len([e for e in events if e.name != END]) == len(answer.json())
    refused = httpx.post(url, json=body)
    assert refused.status_code == 400
    assert refused.json()[0]["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("cloud", ["gemini", "vertex"])
def test_google_tells_errors_in_its_shape(
    cloud: str, request: pytest.FixtureRequest, providers: SimulatedProviders
) -> None:
    client: genai.Client = request.getfixturevalue(cloud)
    providers.fail("status", status=429, message="slow down")
    with pytest.raises(google.genai.errors.ClientError) as caught:
        client.models.generate_content(model="m", contents="hi")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    providers.fail("error", frames=1, status=503, message="away")
    with pytest.raises(google.genai.errors.APIError):
        list(client.models.generate_content_stream(model="m", contents="hello there"))


def test_imagen_edits_what_is_white_in_the_mask(vertex: genai.Client) -> None:
    made = vertex.models.generate_images(
        model="imagen-4.0", prompt="a pizza", config=types.GenerateImagesConfig(number_of_images=2)
    )
    pictures = [one.image.image_bytes for one in made.generated_images or () if one.image]
    assert len({read(picture or b"") for picture in pictures}) == 2
    references: Any = [
        types.RawReferenceImage(
            reference_id=1, reference_image=types.Image(image_bytes=PICTURE, mime_type="image/png")
        ),
        types.MaskReferenceImage(
            reference_id=2,
            reference_image=types.Image(image_bytes=half_white(), mime_type="image/png"),
            config=types.MaskReferenceConfig(mask_mode=types.MaskReferenceMode.MASK_MODE_USER_PROVIDED),
        ),
    ]
    edited = vertex.models.edit_image(
        model="imagen-3.0-capability-001",
        prompt="a table",
        reference_images=references,
        config=types.EditImageConfig(edit_mode=types.EditMode.EDIT_MODE_OUTPAINT),
    )
    image = (edited.generated_images or [])[0].image
    assert image
    assert changed_columns(image.image_bytes or b"") == set(range(8))


def half_white() -> bytes:
    """A mask of the picture's size whose left half is white."""
    white, black = (255, 255, 255, 255), (0, 0, 0, 255)
    return write(Picture(16, 16, tuple(white if at % 16 < 8 else black for at in range(256))))


def changed_columns(png: bytes) -> set[int]:
    """The columns in which a picture differs from the one that was edited."""
    pairs = zip(read(PICTURE).pixels, read(png).pixels, strict=True)
    return {at % 16 for at, (before, after) in enumerate(pairs) if before != after}


def test_vertex_takes_only_tokens_of_the_token_server(providers: SimulatedProviders) -> None:
    stranger = genai.Client(
        vertexai=True,
        project="p",
        location="eu",
        credentials=google.oauth2.credentials.Credentials("ya29.made-up"),
        http_options=types.HttpOptions(base_url=providers.url),
    )
    with pytest.raises(google.genai.errors.ClientError) as caught:
        stranger.models.generate_content(model="m", contents="hi")
    assert caught.value.code == 401


def test_vertex_serves_claude(providers: SimulatedProviders) -> None:
    client = anthropic.AnthropicVertex(
        base_url=f"{providers.url}/v1", region="europe-west4", project_id="p", access_token=providers.google_token()
    )
    plain = client.messages.create(model="claude-sonnet-4-5@20250929", max_tokens=50, messages=HELLO)
    assert plain.content[0].type == "text"
    assert plain.content[0].text == "echo: hello there"
    with client.messages.stream(model="claude-sonnet-4-5@20250929", max_tokens=50, messages=HELLO) as stream:
        assert stream.get_final_text() == "echo: hello there"
    assert client.messages.count_tokens(model="claude-sonnet-4-5@20250929", messages=HELLO).input_tokens == 2
    assert providers.requests[0].region == "europe-west4"


# -- Bedrock ---------------------------------------------------------------------------------------------------------


def test_bedrock_converses_plain_and_streamed(bedrock: Any, providers: SimulatedProviders) -> None:
    plain = bedrock.converse(modelId=CLAUDE_ON_BEDROCK, messages=BLOCKS)
    assert plain["output"]["message"]["content"] == [{"text": "echo: hello there"}]
    assert plain["usage"]["totalTokens"] == 5
    arn = f"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{CLAUDE_ON_BEDROCK}"
    events = list(bedrock.converse_stream(modelId=arn, messages=BLOCKS)["stream"])
    told = [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]
    assert "".join(told) == "echo: hello there"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 3
    assert "%3A" in providers.requests[0].path
    assert "%2F" in providers.requests[1].path
    assert providers.requests[1].region == "eu-central-1"


def test_bedrock_calls_tools_and_sees_pictures(bedrock: Any) -> None:
    schema = {"json": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    config = {"tools": [{"toolSpec": {"name": "f", "inputSchema": schema}}]}
    asked = bedrock.converse(modelId="m", messages=BLOCKS, toolConfig=config)
    use = asked["output"]["message"]["content"][0]["toolUse"]
    assert (asked["stopReason"], use["name"], use["input"]) == ("tool_use", "f", {"n": 1})
    events = list(bedrock.converse_stream(modelId="m", messages=BLOCKS, toolConfig=config)["stream"])
    written = [e["contentBlockDelta"]["delta"]["toolUse"]["input"] for e in events if "contentBlockDelta" in e]
    assert json.loads("".join(written)) == {"n": 1}
    result = {"toolUseId": use["toolUseId"], "content": [{"json": {"n": 42}}]}
    turns = [*BLOCKS, asked["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    told = bedrock.converse(modelId="m", messages=turns, toolConfig=config)
    assert told["output"]["message"]["content"][0]["text"] == 'echo: {"n":42}'
    image = {"image": {"format": "png", "source": {"bytes": PICTURE}}}
    seen = bedrock.converse(modelId="m", messages=[{"role": "user", "content": [image]}])
    assert f"[image/png {len(PICTURE)} bytes" in seen["output"]["message"]["content"][0]["text"]


def test_bedrock_invokes_claude_and_titan(bedrock: Any) -> None:
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": HELLO})
    plain = json.loads(bedrock.invoke_model(modelId=CLAUDE_ON_BEDROCK, body=body)["body"].read())
    assert plain["content"][0]["text"] == "echo: hello there"
    stream = bedrock.invoke_model_with_response_stream(modelId=CLAUDE_ON_BEDROCK, body=body)["body"]
    events = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 3
    vector = bedrock.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps({"inputText": "a b"}))
    assert json.loads(vector["body"].read())["inputTextTokenCount"] == 2


def test_titan_paints_in_what_is_black_and_out_what_is_white(bedrock: Any) -> None:
    def painted_by(body: dict[str, Any]) -> bytes:
        answer = bedrock.invoke_model(modelId="amazon.titan-image-generator-v2:0", body=json.dumps(body))
        return base64.b64decode(json.loads(answer["body"].read())["images"][0])

    assert read(painted_by({"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "a pizza"}}))
    params = {
        "text": "a table",
        "image": base64.b64encode(PICTURE).decode(),
        "maskImage": base64.b64encode(half_white()).decode(),
    }
    out = painted_by({"taskType": "OUTPAINTING", "outPaintingParams": params})
    assert changed_columns(out) == set(range(8))
    inside = painted_by({"taskType": "INPAINTING", "inPaintingParams": params})
    assert changed_columns(inside) == set(range(8, 16))
    with pytest.raises(bedrock.exceptions.ValidationException, match="maskPrompt"):
        painted_by({"taskType": "INPAINTING", "inPaintingParams": {"text": "x", "image": params["image"]}})


def test_bedrock_checks_signatures_bodies_and_clocks(providers: SimulatedProviders) -> None:
    def code_of(**other: Any) -> str:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            bedrock_of(providers, **other).converse(modelId=CLAUDE_ON_BEDROCK, messages=BLOCKS)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return str(caught.value.response["Error"]["Code"])

    assert code_of(aws_secret_access_key="wrong") == "InvalidSignatureException"
    assert code_of(aws_access_key_id="AKIASTRANGER") == "UnrecognizedClientException"
    assert signed_call(providers, minutes_ago=1).status_code == 200
    late = signed_call(providers, minutes_ago=60)
    assert late.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert "expired" in late.json()["message"]
    changed = signed_call(providers, minutes_ago=0, sent=json.dumps({"messages": BLOCKS, "x": 1}))
    assert (changed.status_code, changed.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


def signed_call(providers: SimulatedProviders, *, minutes_ago: int, sent: str | None = None) -> httpx.Response:
    """Sign a converse as of some time ago, and send it or another body."""
    body = json.dumps({"messages": BLOCKS})
    at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).strftime("%Y%m%dT%H%M%SZ")
    url = f"{providers.url}/model/a%3Ab/converse"
    request = AWSRequest("POST", url, headers={"X-Amz-Date": at, "Content-Type": "application/json"}, data=body)
    request.context["timestamp"] = at
    auth = SigV4Auth(Credentials(providers.aws_key_id, providers.aws_secret), "bedrock", "eu-central-1")
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    names = auth.signed_headers(auth.headers_to_sign(request))
    scope = f"{providers.aws_key_id}/{at[:8]}/eu-central-1/bedrock/aws4_request"
    told = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    return httpx.post(url, content=sent or body, headers={**dict(request.headers.items()), "Authorization": told})


def test_bedrock_tells_of_failures_plain_and_in_mid_stream(bedrock: Any, providers: SimulatedProviders) -> None:
    providers.fail("status", status=429, message="slow down")
    with pytest.raises(bedrock.exceptions.ThrottlingException):
        bedrock.converse(modelId="m", messages=BLOCKS)
    providers.fail("error", frames=2, status=429, message="slow down")
    with pytest.raises(botocore.exceptions.EventStreamError, match="throttlingException"):
        list(bedrock.converse_stream(modelId="m", messages=BLOCKS)["stream"])
    providers.fail("corrupt", frames=2)
    with pytest.raises(Exception, match="Checksum mismatch"):
        list(bedrock.converse_stream(modelId="m", messages=BLOCKS)["stream"])


def test_bedrock_serves_anthropics_own_sdk(providers: SimulatedProviders) -> None:
    client = anthropic.AnthropicBedrock(
        base_url=providers.url,
        aws_region="eu-central-1",
        aws_access_key=providers.aws_key_id,
        aws_secret_key=providers.aws_secret,
    )
    with client.messages.stream(model=CLAUDE_ON_BEDROCK, max_tokens=50, messages=HELLO) as stream:
        assert stream.get_final_text() == "echo: hello there"


# -- in-house servers ------------------------------------------------------------------------------------------------


def test_ollama_is_answered_plain_and_streamed(providers: SimulatedProviders) -> None:
    client = ollama.Client(host=providers.url)
    plain = client.chat(model="m", messages=HELLO)
    assert plain.message.content == "echo: hello there"
    assert (plain.prompt_eval_count, plain.eval_count) == (2, 3)
    streamed = list(client.chat(model="m", messages=HELLO, stream=True))
    assert "".join(chunk.message.content or "" for chunk in streamed) == "echo: hello there"
    assert streamed[-1].done
    assert client.generate(model="m", prompt="hi", images=[PICTURE]).response.startswith("echo: hi [image")
    assert len(client.embed(model="e", input=["a", "b"]).embeddings) == 2
    assert client.list().models[0].model == "simulated:latest"
    tool: Any = {
        "type": "function",
        "function": {"name": "f", "parameters": {"properties": {"n": {"type": "integer"}}}},
    }
    (call,) = client.chat(model="m", messages=HELLO, tools=[tool]).message.tool_calls or ()
    assert (call.function.name, call.function.arguments) == ("f", {"n": 1})
    fitting = client.chat(model="m", messages=HELLO, format=SCHEMA).message.content
    jsonschema.validate(json.loads(fitting or ""), SCHEMA)


def test_ollama_tells_of_failures(providers: SimulatedProviders) -> None:
    client = ollama.Client(host=providers.url)
    providers.fail("status", status=404, message="model 'm' not found")
    with pytest.raises(ollama.ResponseError, match="not found"):
        client.chat(model="m", messages=HELLO)
    providers.fail("error", frames=1, message="away")
    with pytest.raises(ollama.ResponseError, match="away"):
        list(client.chat(model="m", messages=HELLO, stream=True))


@pytest.mark.parametrize("place", ["", "/v1beta/openai", "/v1/projects/p/locations/eu/endpoints/openapi"])
def test_openais_protocol_is_spoken_at_others_addresses(providers: SimulatedProviders, place: str) -> None:
    key = providers.google_token() if "projects" in place else providers.credential
    client = openai.OpenAI(base_url=f"{providers.url}{place}", api_key=key, max_retries=0)
    chunks = client.chat.completions.create(model="google/m", messages=HELLO, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "echo: hello there"
    wrong = openai.OpenAI(base_url=f"{providers.url}{place}", api_key="wrong", max_retries=0)
    with pytest.raises(openai.APIStatusError):
        wrong.chat.completions.create(model="m", messages=HELLO)
