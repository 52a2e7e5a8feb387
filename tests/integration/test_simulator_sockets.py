"""WebSockets of the simulator, by the official SDKs: OpenAI Realtime and Gemini Live."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google.oauth2.credentials
import openai
import pytest
import websockets.exceptions
from google import genai
from google.genai import types
from google.genai.live import AsyncSession
from websockets.sync.client import connect

from workbench.simulator.sound import spoken
from workbench.testing.simulator import SimulatedProviders, simulated_providers

BIDI = "ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


@pytest.fixture
def providers() -> Iterator[SimulatedProviders]:
    with simulated_providers() as providers:
        yield providers


@pytest.fixture
def gpt(providers: SimulatedProviders) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{providers.url}/v1", api_key=providers.credential)


def say(connection: Any, text: str) -> None:
    content: Any = [{"type": "input_text", "text": text}]
    connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})


def events_until(connection: Any, last: str) -> list[Any]:
    events = []
    for event in connection:
        events.append(event)
        if event.type == last:
            break
    return events


def test_realtime_echoes_and_tells_usage(gpt: openai.OpenAI, providers: SimulatedProviders) -> None:
    with gpt.realtime.connect(model="gpt-realtime") as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(session={"type": "realtime", "instructions": "be short"})
        assert connection.recv().type == "session.updated"
        for text, asked in (("hello there", 2), ("again", 6)):
            say(connection, text)
            connection.response.create()
            events = events_until(connection, "response.done")
            assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == f"echo: {text}"
            assert events[-1].response.usage.input_tokens == asked
        connection.response.create(response={"output_modalities": ["audio"]})
        sounds = [e for e in events_until(connection, "response.done") if e.type == "response.output_audio.delta"]
        assert sounds
    providers.wait_until(lambda requests: requests[0].ended == "answered")
    (seen,) = providers.requests
    assert (seen.method, seen.status, seen.path) == ("WEBSOCKET", 101, "/v1/realtime")
    assert json.loads(seen.messages[0])["type"] == "session.update"


def test_realtime_calls_functions_and_hears(gpt: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "name": "f", "parameters": {"properties": {"n": {"type": "integer"}}}}
    with gpt.realtime.connect(model="gpt-realtime") as connection:
        connection.recv()
        connection.session.update(session={"type": "realtime", "tools": [tool]})
        connection.input_audio_buffer.append(audio=base64.b64encode(b"\0\1" * 50).decode())
        connection.input_audio_buffer.commit()
        connection.response.create()
        done = events_until(connection, "response.done")[-1]
        call = done.response.output[0]
        assert (call.type, json.loads(call.arguments)) == ("function_call", {"n": 1})
        output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
        connection.conversation.item.create(item=output)
        connection.response.create()
        done = events_until(connection, "response.done")[-1]
        assert done.response.output[0].content[0].text == "echo: 42"
        connection.send({"type": "no.such"})  # type: ignore[typeddict-item,misc]
        assert events_until(connection, "error")[-1].error.code == "invalid_value"


def test_realtime_is_served_at_azure_too(providers: SimulatedProviders) -> None:
    url = providers.url.replace("http", "ws")
    headers = {"api-key": providers.credential}
    path = "/openai/realtime?api-version=2025-04-01-preview&deployment=my-realtime"
    with connect(f"{url}{path}", additional_headers=headers) as socket:
        assert json.loads(socket.recv())["session"]["model"] == "my-realtime"


@pytest.mark.parametrize(("credential", "model", "status"), [("wrong", "m", 401), ("", "", 400)])
def test_a_session_is_refused_before_it_opens(
    providers: SimulatedProviders, credential: str, model: str, status: int
) -> None:
    url = providers.url.replace("http", "ws")
    headers = {"authorization": f"Bearer {credential or providers.credential}"}
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        connect(f"{url}/v1/realtime?model={model}", additional_headers=headers)
    assert caught.value.response.status_code == status
    assert "error" in json.loads(caught.value.response.body or b"")


def listen(url: str, headers: dict[str, str], told: list[Any]) -> None:
    """Ask for a response and note what is told, until the connection breaks or is silent."""
    with connect(url, additional_headers=headers, close_timeout=0.1) as socket:
        told.append(socket.recv())
        socket.send('{"type": "response.create"}')
        while True:
            told.append(socket.recv(timeout=0.5))


@pytest.mark.parametrize("kind", ["cut", "error", "corrupt", "reset", "status", "stall"])
def test_every_fault_meets_a_websocket(providers: SimulatedProviders, kind: str) -> None:
    providers.fail(kind, frames=2, status=429, message="away", model="m")
    url = providers.url.replace("http", "ws")
    headers = {"authorization": f"Bearer {providers.credential}"}
    told: list[Any] = []
    broken = (websockets.exceptions.WebSocketException, EOFError, OSError, TimeoutError)
    with pytest.raises(broken):
        listen(f"{url}/v1/realtime?model=m", headers, told)
    assert len(told) == {"cut": 2, "stall": 2, "error": 3, "corrupt": 3, "reset": 0, "status": 0}[kind]
    if kind == "error":
        assert json.loads(told[-1])["error"]["message"] == "away"
    if kind != "status":
        providers.wait_until(lambda requests: requests[0].ended == "broken")


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviders]:
    """Providers that speak TLS, as Google's SDK wants for its WebSockets."""
    with simulated_providers(tls=tmp_path) as providers:
        monkeypatch.setenv("SSL_CERT_FILE", str(providers.certificate))
        yield providers


def live_client(providers: SimulatedProviders, cloud: str) -> genai.Client:
    if cloud == "gemini":
        options = types.HttpOptions(base_url=providers.url, api_version="v1beta")
        return genai.Client(api_key=providers.credential, http_options=options)
    return genai.Client(
        vertexai=True,
        project="p",
        location="eu",
        credentials=google.oauth2.credentials.Credentials(providers.google_token()),
        http_options=types.HttpOptions(base_url=providers.url),
    )


async def told_by(session: AsyncSession) -> tuple[str, types.LiveServerMessage]:
    """Return what is said until the turn is over, and the last message."""
    messages = [message async for message in session.receive()]
    parts = [part for m in messages if m.server_content and m.server_content.model_turn
             for part in m.server_content.model_turn.parts or ()]  # fmt: skip
    sounds = [part.inline_data.data or b"" for part in parts if part.inline_data]
    return "".join(part.text or "" for part in parts) or b"".join(sounds).hex(), messages[-1]


@pytest.mark.parametrize("cloud", ["gemini", "vertex"])
def test_live_echoes_and_tells_usage(encrypted: SimulatedProviders, cloud: str) -> None:
    async def talk() -> None:
        config = types.LiveConnectConfig(response_modalities=[types.Modality.TEXT])
        async with live_client(encrypted, cloud).aio.live.connect(model="gemini-live", config=config) as session:
            turn = types.Content(role="user", parts=[types.Part(text="hello there")])
            await session.send_client_content(turns=turn, turn_complete=True)
            text, last = await told_by(session)
            assert text == "echo: hello there"
            assert last.usage_metadata
            assert (last.usage_metadata.prompt_token_count, last.usage_metadata.total_token_count) == (2, 5)

    asyncio.run(talk())
    (seen,) = encrypted.requests
    assert seen.provider == cloud
    assert "setup" in json.loads(seen.messages[0])


def test_live_hears_speaks_and_calls_functions(encrypted: SimulatedProviders) -> None:
    number = types.Schema(type=types.Type.INTEGER)
    declared = types.FunctionDeclaration(
        name="f", parameters=types.Schema(type=types.Type.OBJECT, properties={"n": number})
    )
    tools: Any = [types.Tool(function_declarations=[declared])]

    async def talk() -> None:
        config = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO], tools=tools)
        async with live_client(encrypted, "gemini").aio.live.connect(model="gemini-live", config=config) as session:
            await session.send_realtime_input(audio=types.Blob(data=b"\0\1" * 50, mime_type="audio/pcm"))
            await session.send_realtime_input(audio_stream_end=True)
            async for message in session.receive():
                assert message.tool_call
                (call,) = message.tool_call.function_calls or ()
                assert (call.name, call.args) == ("f", {"n": 1})
                break
            answer = types.FunctionResponse(id=call.id, name="f", response={"result": "42"})
            await session.send_tool_response(function_responses=[answer])
            sound, _ = await told_by(session)
            assert bytes.fromhex(sound) == spoken("echo: 42", "pcm")

    asyncio.run(talk())


def test_live_wants_its_setup_first_and_a_good_key(providers: SimulatedProviders) -> None:
    url = f"{providers.url.replace('http', 'ws')}/{BIDI}"
    with connect(f"{url}?key={providers.credential}") as socket:
        socket.send(json.dumps({"clientContent": {"turns": []}}))
        with pytest.raises(websockets.exceptions.ConnectionClosed, match="setup"):
            socket.recv()
    with pytest.raises(websockets.exceptions.InvalidStatus):
        connect(f"{url}?key=wrong")
