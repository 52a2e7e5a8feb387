"""Every unified operation through the gateway, by the official SDK: whole and streamed answers, and what each used."""

from __future__ import annotations

import base64
import io
import json
import struct
import wave
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import psutil
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

HELLO: Any = [{"role": "user", "content": "hello wörld"}]
MODELS = {
    "fast": ("chat", "gpt-4o-mini"),
    "vectors": ("embedding", "text-embedding-3-small"),
    "painter": ("image", "gpt-image-1"),
    "ear": ("transcription", "whisper-1"),
    "newer-ear": ("transcription", "gpt-4o-transcribe"),
    "voice": ("speech", "tts-1"),
    "omni-moderation-latest": ("moderation", "omni-moderation-latest"),
    "ranker": ("rerank", "rerank-v3.5"),
}


def configuration(url: str) -> str:
    models = "".join(
        f'[[models]]\nname = "{name}"\ntask = "{task}"\ndeployments = [{{ provider = "acme", model = "{upstream}" }}]\n'
        for name, (task, upstream) in MODELS.items()
    )
    return f'[providers.acme]\nkind = "openai"\nbase_url = "{url}/v1"\ncredential = {{ env = "ACME_KEY" }}\n{models}'


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("gateway")
    with running_gateway(
        home, config=configuration(providers.url), environ={"ACME_KEY": providers.credential}
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


@pytest.fixture
def client(gateway: RunningGateway, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture
def http(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=30) as made:
        yield made


def last_row(http: httpx.Client) -> dict[str, Any]:
    return dict(http.get("/me/calls", params={"limit": 1}).json()["data"][0])


def sound(seconds: float = 2.0) -> bytes:
    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack("<h", 7) * int(8000 * seconds))
    return raw.getvalue()


def picture(client: openai.OpenAI) -> bytes:
    data = client.images.generate(model="painter", prompt="a red square", size="1024x1024").data
    assert data is not None
    return base64.b64decode(data[0].b64_json or "")


def test_a_text_goes_on(client: openai.OpenAI, http: httpx.Client) -> None:
    whole = client.completions.create(model="fast", prompt="once upon")
    assert whole.usage is not None
    pieces = list(client.completions.create(model="fast", prompt="once upon", stream=True))
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == whole.choices[0].text
    assert all(piece.usage is None for piece in pieces)
    row = last_row(http)
    assert (row["path"], row["outcome"], row["stream"]) == ("/v1/completions", "ok", True)
    assert (row["input_tokens"], row["output_tokens"]) == (whole.usage.prompt_tokens, whole.usage.completion_tokens)
    assert row["cost_source"] == "price_book"


def test_a_response_comes_whole_and_as_typed_events(client: openai.OpenAI, http: httpx.Client) -> None:
    whole = client.responses.create(model="fast", input="hello wörld")
    assert whole.usage is not None
    assert whole.model == "gpt-4o-mini"
    row = last_row(http)
    assert (row["input_tokens"], row["output_tokens"]) == (whole.usage.input_tokens, whole.usage.output_tokens)
    assert row["cost_usd"] > 0
    events = list(client.responses.create(model="fast", input="hello wörld", stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    row = last_row(http)
    assert (row["outcome"], row["stream"], row["output_tokens"]) == ("ok", True, whole.usage.output_tokens)
    assert row["cost_source"] == "price_book"


def test_events_of_a_response_are_the_providers_own_bytes(http: httpx.Client, providers: SimulatedProviders) -> None:
    body = {"model": "fast", "input": "hello", "stream": True, "store": False}
    through = http.post("/v1/responses", json=body).content
    direct = httpx.post(
        f"{providers.url}/v1/responses",
        json={**body, "model": "gpt-4o-mini"},
        headers={"authorization": f"Bearer {providers.credential}"},
    ).content

    def types(raw: bytes) -> list[str]:
        return [json.loads(line[6:])["type"] for line in raw.split(b"\n") if line.startswith(b"data: {")]

    assert types(through) == types(direct)
    assert len(through) == len(direct)


def test_embeddings_come_in_both_encodings(http: httpx.Client) -> None:
    body = {"model": "vectors", "input": ["a", "b"]}
    plain = http.post("/v1/embeddings", json={**body, "encoding_format": "float"}).json()["data"][0]["embedding"]
    packed = http.post("/v1/embeddings", json={**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    raw = base64.b64decode(packed)
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(plain)


def test_moderation_finds_its_model_by_itself_and_costs_nothing(client: openai.OpenAI, http: httpx.Client) -> None:
    assert client.moderations.create(input="hello").results
    row = last_row(http)
    assert (row["model"], row["cost_usd"]) == ("omni-moderation-latest", 0)


def test_documents_are_ranked(http: httpx.Client) -> None:
    answer = http.post("/v1/rerank", json={"model": "ranker", "query": "apple", "documents": ["pear", "apple"]})
    assert {result["index"] for result in answer.json()["results"]} == {0, 1}
    assert last_row(http)["outcome"] == "ok"


def test_pictures_are_counted_and_priced(client: openai.OpenAI, http: httpx.Client) -> None:
    answer = client.images.generate(model="painter", prompt="a red square", n=2, size="1024x1024")
    assert answer.data is not None
    assert len(answer.data) == 2
    row = last_row(http)
    assert (row["images"], row["outcome"], row["cost_source"]) == (2, "ok", "price_book")
    assert row["cost_usd"] > 0


def test_a_picture_comes_part_by_part(client: openai.OpenAI, http: httpx.Client) -> None:
    events = list(
        client.images.generate(model="painter", prompt="a square", size="1024x1024", stream=True, partial_images=2)
    )
    assert [event.type for event in events][-1] == "image_generation.completed"
    assert len(events) > 1
    row = last_row(http)
    assert (row["images"], row["outcome"], row["stream"]) == (1, "ok", True)


def test_a_picture_grows_beyond_its_edges_by_a_mask(
    client: openai.OpenAI, http: httpx.Client, providers: SimulatedProviders
) -> None:
    png = picture(client)
    providers.clear()
    answer = client.images.edit(
        model="painter", image=("menu.png", png, "image/png"), mask=("mask.png", png, "image/png"), prompt="more table"
    )
    assert answer.data
    (seen,) = providers.requests
    assert seen.raw.count(png) == 2
    assert b'filename="menu.png"' in seen.raw
    assert b'filename="mask.png"' in seen.raw
    assert b"gpt-image-1" in seen.raw
    assert b"painter" not in seen.raw
    assert last_row(http)["images"] == 1
    streamed = client.images.edit(model="painter", image=("menu.png", png, "image/png"), prompt="more", stream=True)
    assert list(streamed)[-1].type == "image_edit.completed"


@pytest.mark.parametrize("form", ["json", "verbose_json", "text", "srt", "vtt"])
def test_sound_becomes_text_in_every_format(
    client: openai.OpenAI, http: httpx.Client, providers: SimulatedProviders, form: Any
) -> None:
    answer = client.audio.transcriptions.create(
        model="ear", file=("talk.wav", sound(), "audio/wav"), response_format=form
    )
    text = answer if isinstance(answer, str) else answer.text
    assert "talk.wav" in text
    row = last_row(http)
    assert row["audio_seconds"] == pytest.approx(2.0, abs=0.01)
    assert row["cost_usd"] == pytest.approx(2 * 0.0001, rel=0.01)
    assert sound() in providers.requests[-1].raw


def test_sound_becomes_text_as_it_is_heard(client: openai.OpenAI, http: httpx.Client) -> None:
    events = list(client.audio.transcriptions.create(model="newer-ear", file=("a.wav", sound()), stream=True))
    assert [event.type for event in events][-1] == "transcript.text.done"
    row = last_row(http)
    assert (row["outcome"], row["stream"], row["input_tokens"]) == ("ok", True, 20)


def test_sound_is_translated(client: openai.OpenAI, http: httpx.Client) -> None:
    assert "a.wav" in client.audio.translations.create(model="ear", file=("a.wav", sound())).text
    assert last_row(http)["path"] == "/v1/audio/translations"


def test_speech_passes_byte_for_byte_and_is_priced_by_its_characters(
    client: openai.OpenAI, http: httpx.Client, providers: SimulatedProviders
) -> None:
    body = {"model": "voice", "input": "hello there you", "voice": "alloy", "response_format": "mp3"}
    with http.stream("POST", "/v1/audio/speech", json=body) as answer:
        through = b"".join(answer.iter_bytes())
        assert answer.headers["transfer-encoding"] == "chunked"
        kind = answer.headers["content-type"]
    direct = httpx.post(
        f"{providers.url}/v1/audio/speech",
        json={**body, "model": "tts-1"},
        headers={"authorization": f"Bearer {providers.credential}"},
    )
    assert (through, kind) == (direct.content, direct.headers["content-type"])
    row = last_row(http)
    assert row["outcome"] == "ok"
    assert row["cost_usd"] == pytest.approx(15 * 15e-6)
    assert client.audio.speech.create(model="voice", input="hi", voice="alloy").content


def test_speech_comes_as_events_too(http: httpx.Client) -> None:
    body = {"model": "voice", "input": "hello there", "voice": "alloy", "stream_format": "sse"}
    assert b"speech.audio.done" in http.post("/v1/audio/speech", json=body).content
    assert last_row(http)["stream"] is True


def test_a_model_of_another_task_is_refused(client: openai.OpenAI, providers: SimulatedProviders) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(model="fast", input="hi", voice="alloy")
    assert (caught.value.code, caught.value.param) == ("wrong_task", "model")
    assert providers.requests == []


SOUND: Any = {"files": {"file": ("a.wav", b"sound")}}


@pytest.mark.parametrize(("path", "request_of", "param"), [
    ("chat/completions", {"json": {"model": "fast", "messages": []}}, "messages"),
    ("completions", {"json": {"model": "fast", "prompt": 5}}, "prompt"),
    ("responses", {"json": {"model": "fast", "input": []}}, "input"),
    ("embeddings", {"json": {"model": "vectors", "input": ""}}, "input"),
    ("images/generations", {"json": {"model": "painter", "prompt": "x", "n": "two"}}, "n"),
    ("images/edits", {"data": {"model": "painter", "prompt": "x"}, "files": {"mask": ("m", b"x")}}, "image"),
    ("audio/transcriptions", {"data": {"model": "ear"}, "files": {"other": ("a", b"x")}}, "file"),
    ("audio/translations", SOUND, "model"),
    ("audio/speech", {"json": {"model": "voice", "input": "x"}}, "voice"),
    ("moderations", {"json": {"input": []}}, "input"),
    ("rerank", {"json": {"model": "ranker", "query": "x", "documents": {}}}, "documents"),
    ("files", {"data": {"x": "y"}, "files": {"file": ("a", b"x")}}, "purpose"),
    ("files", {"data": {"purpose": "user_data"}, "files": {"file": ("a", b"")}}, "file"),
    ("batches", {"json": {"endpoint": "/v1/chat/completions"}}, "input_file_id"),
    ("fine_tuning/jobs", {"json": {"model": 5, "training_file": "x"}}, None),
    ("vector_stores", {"content": b"[]", "headers": {"content-type": "application/json"}}, None),
    ("files?limit=0", None, "limit"),
    ("batches?limit=many", None, "limit"),
])  # fmt: skip
def test_bad_input_is_named_and_goes_nowhere(
    http: httpx.Client, providers: SimulatedProviders, path: str, request_of: Any, param: str | None
) -> None:
    answer = http.get(f"/v1/{path}") if request_of is None else http.post(f"/v1/{path}", **request_of)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]["param"] == param
    assert providers.requests == []


@pytest.mark.parametrize("path", ["audio/transcriptions", "images/edits", "files"])
@pytest.mark.parametrize(("kind", "status", "code"), [
    ("application/json", 415, "unsupported_media_type"), ("multipart/form-data", 400, "invalid_multipart"),
    ("multipart/form-data; boundary=edge", 400, "invalid_multipart"),
])  # fmt: skip
def test_what_is_no_form_is_refused(
    http: httpx.Client, providers: SimulatedProviders, path: str, kind: str, status: int, code: str
) -> None:
    answer = http.post(f"/v1/{path}", content=b"--other\r\n", headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert providers.requests == []


def test_the_models_name_may_stand_in_the_last_part_of_a_form(
    http: httpx.Client, providers: SimulatedProviders
) -> None:
    boundary = b"----edge"
    parts = [
        b'Content-Disposition: form-data; name="file"; filename="\xc3\xbc \\"x\\".wav"\r\n'
        b"Content-Type: audio/x-wav\r\n\r\n" + sound(),
        b'Content-Disposition: form-data; name="unknown"\r\n\r\nkept',
        b'content-disposition: form-data;  name="model"\r\n\r\near',
    ]
    body = b"preamble\r\n" + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    body += b"--" + boundary + b"--\r\nepilogue"
    answer = http.post(
        "/v1/audio/transcriptions",
        content=body,
        headers={"content-type": f"multipart/form-data; boundary={boundary.decode()}"},
    )
    assert answer.status_code == 200, answer.text
    assert providers.requests[-1].raw == body.replace(b"\r\n\r\near\r\n", b"\r\n\r\nwhisper-1\r\n")


def test_a_form_is_sent_again_whole_where_the_first_try_fails(
    http: httpx.Client, providers: SimulatedProviders
) -> None:
    providers.fail("reset")
    answer = http.post(
        "/v1/audio/transcriptions", data={"model": "ear"}, files={"file": ("a.wav", sound(100), "audio/wav")}
    )
    assert answer.status_code == 200, answer.text
    first, second = providers.requests
    assert second.raw == first.raw or first.raw == b""
    assert sound(100) in second.raw
    assert last_row(http)["attempts"] == 2


@pytest.mark.parametrize("kind", ["json", "form"])
def test_20_megabytes_pass_in_bounded_memory(
    gateway: RunningGateway, http: httpx.Client, providers: SimulatedProviders, kind: str
) -> None:
    process = psutil.Process(gateway.process.pid)
    blob = b"\x00\x01" * (10 * 1024 * 1024)
    before = process.memory_info().rss
    if kind == "form":
        answer = http.post("/v1/audio/transcriptions", data={"model": "ear"}, files={"file": ("a.bin", blob)})
    else:
        answer = http.post("/v1/responses", json={"model": "fast", "input": "a" * len(blob), "store": False})
    assert answer.status_code == 200, answer.text[:500]
    if kind == "form":
        assert blob in providers.requests[-1].raw
        assert process.memory_info().rss - before < 12 * 1024 * 1024
    providers.clear()


def test_the_catalogue_tells_what_each_model_takes_and_gives(http: httpx.Client) -> None:
    told = {model["id"]: model["catalogue"]["modalities"] for model in http.get("/v1/models").json()["data"]}
    assert told["ear"] == {"input": ["audio"], "output": ["text"]}
    assert told["voice"] == {"input": ["text"], "output": ["audio"]}
