"""OpenAI's other resources, by its SDK against the simulator: responses, pictures, sound, files, batches, jobs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from workbench.simulator.picture import Picture, painted, read, write
from workbench.simulator.sound import spoken
from workbench.testing.simulator import SimulatedProviders, simulated_providers

HELLO: Any = [{"role": "user", "content": "hello there"}]
CLEAR, BLACK = (0, 0, 0, 0), (0, 0, 0, 255)


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedProviders]:
    with simulated_providers() as providers:
        yield providers


@pytest.fixture
def providers(running: SimulatedProviders) -> SimulatedProviders:
    running.clear()
    return running


@pytest.fixture(params=["openai", "azure", "azure v1"])
def gpt(providers: SimulatedProviders, request: pytest.FixtureRequest) -> openai.OpenAI:
    """The same resources at OpenAI and at Azure, under both of its paths."""
    if request.param == "azure":
        return openai.AzureOpenAI(
            azure_endpoint=providers.url, api_key=providers.credential, api_version="2025-04-01-preview", max_retries=0
        )
    path = "/v1" if request.param == "openai" else "/openai/v1"
    return openai.OpenAI(base_url=f"{providers.url}{path}", api_key=providers.credential, max_retries=0)


# -- responses -------------------------------------------------------------------------------------------------------


def test_a_response_goes_on_with_the_one_before_it(gpt: openai.OpenAI) -> None:
    first = gpt.responses.create(model="m", input="one two", instructions="be short")
    assert first.output_text == "echo: one two"
    assert first.usage
    assert first.usage.input_tokens == 4
    second = gpt.responses.create(model="m", input="three", previous_response_id=first.id)
    assert second.usage
    assert second.usage.input_tokens == 2 + 3 + 1
    assert gpt.responses.input_tokens.count(model="m", input="one two").input_tokens == 2
    assert gpt.responses.retrieve(second.id).output_text == "echo: three"
    assert [item.type for item in gpt.responses.input_items.list(first.id)] == ["message"]
    gpt.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        gpt.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        gpt.responses.create(model="m", input="four", previous_response_id=first.id)


def test_a_streamed_response_is_told_in_typed_events(gpt: openai.OpenAI) -> None:
    with gpt.responses.stream(model="m", input="hello there", reasoning={"effort": "low"}) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == list(range(len(events)))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "echo: hello there"
    assert final.output_text == "echo: hello there"
    assert final.usage
    assert final.usage.output_tokens_details.reasoning_tokens == 2
    assert [item.type for item in final.output] == ["reasoning", "message"]


def test_a_response_calls_functions_and_answers_their_result(gpt: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", "name": "f", "parameters": {"properties": {"n": {"type": "integer"}}}}]
    with gpt.responses.stream(model="m", input="hi", tools=tools) as stream:
        asked = stream.get_final_response()
    call = asked.output[0]
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("f", {"n": 1})
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "42"}]
    told = gpt.responses.create(model="m", input=result, tools=tools, previous_response_id=asked.id)
    assert told.output_text == "echo: 42"


def test_a_response_that_was_cut_is_incomplete(gpt: openai.OpenAI) -> None:
    cut = gpt.responses.create(model="m", input="hello there", max_output_tokens=1)
    assert cut.status == "incomplete"
    events = list(gpt.responses.create(model="m", input="hello there", max_output_tokens=1, stream=True))
    assert events[-1].type == "response.incomplete"


def test_a_response_fails_in_mid_stream_by_an_error_event(gpt: openai.OpenAI, providers: SimulatedProviders) -> None:
    providers.fail("error", frames=3, message="away")
    *before, last = gpt.responses.create(model="m", input="hello there", stream=True)
    assert len(before) == 3
    assert last.type == "error"
    assert last.message == "away"


# -- pictures --------------------------------------------------------------------------------------------------------


def test_pictures_are_real_and_follow_from_the_prompt(gpt: openai.OpenAI) -> None:
    made = gpt.images.generate(model="gpt-image-1", prompt="a pizza", n=2)
    pictures = [read(base64.b64decode(image.b64_json or "")) for image in made.data or ()]
    assert pictures[0] != pictures[1]
    assert made.usage
    assert made.usage.total_tokens == 2 + 2 * 272
    events = list(gpt.images.generate(model="gpt-image-1", prompt="a pizza", stream=True, partial_images=2))
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


def test_an_edit_changes_what_the_mask_leaves_clear_and_nothing_else(gpt: openai.OpenAI) -> None:
    picture = painted("a pizza", width=8, height=4)
    mask = write(Picture(8, 4, tuple(CLEAR if at % 8 < 4 else BLACK for at in range(32))))
    edited = gpt.images.edit(model="gpt-image-1", image=("p.png", picture), mask=("m.png", mask), prompt="olives")
    before, after = read(picture), read(base64.b64decode((edited.data or [])[0].b64_json or ""))
    same = [old == new for old, new in zip(before.pixels, after.pixels, strict=True)]
    assert not any(same[at] for at in range(32) if at % 8 < 4)
    assert all(same[at] for at in range(32) if at % 8 >= 4)
    with pytest.raises(openai.BadRequestError, match="size"):
        gpt.images.edit(model="m", image=("p.png", picture), mask=("m.png", painted("x")), prompt="olives")
    with pytest.raises(openai.BadRequestError, match="PNG"):
        gpt.images.edit(model="m", image=("p.png", b"GIF89a"), prompt="olives")


def test_variations_have_the_size_of_their_image(gpt: openai.OpenAI) -> None:
    picture = painted("a pizza", width=8, height=4)
    made = gpt.images.create_variation(image=("p.png", picture), n=2, response_format="b64_json").data or []
    first, second = (read(base64.b64decode(image.b64_json or "")) for image in made)
    assert (first.width, first.height) == (8, 4)
    assert first != second


def test_a_picture_by_url_can_be_fetched(gpt: openai.OpenAI) -> None:
    made = gpt.images.generate(model="dall-e-3", prompt="a pizza").data or []
    assert read(httpx.get(made[0].url or "").content) == read(painted("a pizza 0"))


# -- sound -----------------------------------------------------------------------------------------------------------


def test_sound_is_heard_in_every_form(gpt: openai.OpenAI) -> None:
    file = ("order.wav", spoken("one two", "wav"), "audio/wav")
    told = gpt.audio.transcriptions.create(model="gpt-4o-transcribe", file=file)
    assert told.text.startswith("heard order.wav [audio/wav")
    long = gpt.audio.transcriptions.create(
        model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert long.duration == pytest.approx(0.1)
    assert long.words
    text: Any = gpt.audio.transcriptions.create(model="whisper-1", file=file, response_format="text")
    assert text.startswith("heard order.wav")
    events = list(gpt.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True))
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == told.text
    assert events[-1].type == "transcript.text.done"
    assert gpt.audio.translations.create(model="whisper-1", file=file).text.startswith("translated order.wav")


def test_speech_comes_in_pieces(gpt: openai.OpenAI, providers: SimulatedProviders) -> None:
    with gpt.audio.speech.with_streaming_response.create(
        model="tts-1", input="one two three", voice="alloy", response_format="wav"
    ) as answer:
        assert answer.headers["content-type"] == "audio/wav"
        sound = b"".join(answer.iter_bytes())
    assert sound == spoken("one two three", "wav")
    assert providers.requests[-1].frames >= 3


# -- the rest --------------------------------------------------------------------------------------------------------


def test_moderations_flag_what_is_named(gpt: openai.OpenAI) -> None:
    results = gpt.moderations.create(model="omni-moderation-latest", input=["flowers", "violence"]).results
    assert [result.flagged for result in results] == [False, True]
    assert results[1].categories.violence


def test_files_are_kept_listed_read_and_deleted(gpt: openai.OpenAI) -> None:
    content = bytes(range(256)) * 10
    file = gpt.files.create(file=("a \u00fc.bin", io.BytesIO(content)), purpose="user_data")
    assert (file.bytes, file.status) == (len(content), "processed")
    assert gpt.files.content(file.id).read() == content
    assert file.id in [one.id for one in gpt.files.list(purpose="user_data")]
    second = gpt.files.create(file=("b", b"x"), purpose="user_data")
    assert [one.id for one in gpt.files.list(purpose="user_data", limit=1)][:2] == [second.id, file.id]
    assert gpt.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        gpt.files.retrieve(file.id)


def test_no_account_sees_anothers_files(providers: SimulatedProviders) -> None:
    mine, yours = (
        openai.OpenAI(base_url=f"{providers.url}/v1", api_key=f"{providers.credential}-{name}", max_retries=0)
        for name in ("mine", "yours")
    )
    file = mine.files.create(file=("a", b"x"), purpose="user_data")
    with pytest.raises(openai.NotFoundError):
        yours.files.retrieve(file.id)


def test_a_batch_completes_with_its_output(gpt: openai.OpenAI) -> None:
    bodies = [{"model": "m", "messages": HELLO}, {"model": "m", "messages": "wrong"}]
    lines = [
        {"custom_id": f"c{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n, body in enumerate(bodies)
    ]
    raw = "\n".join(map(json.dumps, lines)).encode()
    file = gpt.files.create(file=("in.jsonl", raw), purpose="batch")
    batch = gpt.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    batch = gpt.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert batch.request_counts
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)
    assert batch.output_file_id
    assert batch.error_file_id
    (told,) = [json.loads(line) for line in gpt.files.content(batch.output_file_id).text.splitlines()]
    assert told["custom_id"] == "c0"
    assert told["response"]["body"]["choices"][0]["message"]["content"] == "echo: hello there"
    assert json.loads(gpt.files.content(batch.error_file_id).text)["custom_id"] == "c1"
    assert batch.id in [one.id for one in gpt.batches.list()]


def test_a_batch_may_be_left_pending_and_cancelled(gpt: openai.OpenAI) -> None:
    file = gpt.files.create(file=("in.jsonl", b"{}"), purpose="batch")
    batch = gpt.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"simulator": "pending"},
    )
    assert batch.status == "in_progress"
    assert gpt.batches.cancel(batch.id).status == "cancelled"
    with pytest.raises(openai.ConflictError):
        gpt.batches.cancel(batch.id)


def test_a_fine_tuned_model_answers_chat(gpt: openai.OpenAI) -> None:
    file = gpt.files.create(file=("train.jsonl", b'{"messages": []}\n'), purpose="fine-tune")
    job = gpt.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id, suffix="menu")
    job = gpt.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "succeeded"
    assert job.fine_tuned_model
    assert job.fine_tuned_model.startswith("ft:gpt-4o-mini:")
    assert gpt.chat.completions.create(model=job.fine_tuned_model, messages=HELLO).choices
    with pytest.raises(openai.NotFoundError):
        gpt.chat.completions.create(model="ft:gpt-4o-mini:nobody", messages=HELLO)
    assert [event.level for event in gpt.fine_tuning.jobs.list_events(job.id)] == ["info", "info"]
    assert job.id in [one.id for one in gpt.fine_tuning.jobs.list()]
    assert job.fine_tuned_model in [model.id for model in gpt.models.list()]
    with pytest.raises(openai.BadRequestError):
        gpt.fine_tuning.jobs.create(model="gpt-4o-mini", training_file="file-none")
    waiting = gpt.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id, metadata={"simulator": "pending"})
    assert gpt.fine_tuning.jobs.cancel(waiting.id).status == "cancelled"


def test_vector_stores_find_paragraphs(gpt: openai.OpenAI) -> None:
    file = gpt.files.create(file=("menu.txt", b"olives and cheese\n\nopening hours"), purpose="assistants")
    store = gpt.vector_stores.create(name="menus", file_ids=[file.id])
    hits = list(gpt.vector_stores.search(store.id, query="which cheese"))
    assert [(hit.file_id, hit.content[0].text) for hit in hits] == [(file.id, "olives and cheese")]
    assert gpt.vector_stores.delete(store.id).deleted


def test_models_are_listed_and_told(gpt: openai.OpenAI) -> None:
    assert "gpt-4o-mini" in [model.id for model in gpt.models.list()]
    assert gpt.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"


def test_rerank_puts_the_fitting_document_first(providers: SimulatedProviders) -> None:
    asked = {"model": "r", "query": "red wine", "documents": ["beer", {"text": "red wine"}, "white wine"], "top_n": 2}
    for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
        answer = httpx.post(
            f"{providers.url}{path}", json=asked, headers={"authorization": f"Bearer {providers.credential}"}
        ).json()
        assert [result["index"] for result in answer["results"]] == [1, 2]
        assert answer["meta"]["billed_units"]["search_units"] == 1


def test_unknown_paths_and_methods_are_refused_in_shape(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        gpt.get("/no/such/path", cast_to=object)
    with pytest.raises(openai.APIStatusError) as caught:
        gpt.delete("/moderations", cast_to=object)
    assert caught.value.status_code == 405
