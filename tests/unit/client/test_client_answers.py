from __future__ import annotations

import base64
from types import SimpleNamespace

import numpy as np
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from workbench.client.answers import Assembly, read_chat, read_images, read_models, read_published, read_vectors
from workbench.errors import IntegrityError, ProviderError, StreamCut
from workbench.wire.prompt_hash import prompt_hash

PNG = b"\x89PNG\r\n\x1a\n and so on"
DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
HEAD = {"x-request-id": "r1", "x-workbench-cost-usd": "0.25", "x-workbench-model": "asked"}


def completion(**message):
    return ChatCompletion.model_validate(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "upstream",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, **message}}
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    )


def chunk(text=None, *, finish=None, usage=None, choices=None, **delta):
    choices = (
        [{"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}] if choices is None else choices
    )
    return ChatCompletionChunk.model_validate(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": choices,
            "usage": usage,
        }
    )


def test_an_answer_is_read_whole():
    answer = read_chat(completion(content="hello"), HEAD, latency_ms=12.0)
    assert (answer.text, answer.cost_usd, answer.request_id, answer.model) == ("hello", 0.25, "r1", "asked")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 2)


def test_a_price_that_is_unknown_is_no_cost_of_zero():
    assert read_chat(completion(content="x"), {}, latency_ms=1).cost_usd is None


def test_an_answer_without_text_has_an_empty_one():
    assert read_chat(completion(), HEAD, latency_ms=1).text == ""


def test_images_in_an_answer_are_bytes():
    answer = read_chat(completion(images=[{"type": "image_url", "image_url": {"url": DATA_URL}}]), HEAD, latency_ms=1)
    assert answer.images == [PNG]


def test_images_are_found_among_the_parts_of_the_content():
    parts = [{"type": "text", "text": "see"}, {"type": "image", "b64_json": base64.b64encode(PNG).decode()}]
    assert read_images({"content": parts}) == [PNG]


def test_a_linked_image_is_not_fetched():
    assert read_images({"images": [{"image_url": {"url": "http://127.0.0.1:9/a.png"}}]}) == []


def test_a_broken_image_is_an_error_of_the_provider():
    with pytest.raises(ProviderError, match="base64"):
        read_images({"images": [{"b64_json": "%%%"}]})


def test_an_answer_without_choices_is_an_error_of_the_provider():
    empty = completion(content="x").model_copy(update={"choices": []})
    with pytest.raises(ProviderError, match="no choices"):
        read_chat(empty, HEAD, latency_ms=1)


def test_a_stream_is_put_together():
    whole = Assembly(HEAD)
    assert whole.add(chunk("", role="assistant"), elapsed_ms=1) == ""
    assert [whole.add(chunk(text), elapsed_ms=ms) for text, ms in (("he", 5), ("llo", 9))] == ["he", "llo"]
    whole.add(chunk(finish="length"), elapsed_ms=10)
    whole.add(chunk(choices=[], usage={"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}), elapsed_ms=11)
    answer = whole.result(elapsed_ms=12, cost_usd=None)
    assert (answer.text, answer.first_token_ms, answer.latency_ms) == ("hello", 5, 12)
    assert (answer.finish_reason, answer.usage.input_tokens) == ("length", 4)
    assert len(answer.raw) == 5


def test_images_of_a_stream_are_kept():
    whole = Assembly(HEAD)
    whole.add(chunk(images=[{"image_url": {"url": DATA_URL}}]), elapsed_ms=1)
    whole.add(chunk(finish="stop"), elapsed_ms=2)
    assert whole.result(elapsed_ms=3, cost_usd=None).images == [PNG]


def test_a_stream_without_its_end_is_no_answer():
    whole = Assembly(HEAD)
    whole.add(chunk("he"), elapsed_ms=1)
    with pytest.raises(StreamCut, match="r1"):
        whole.result(elapsed_ms=2, cost_usd=None)


def test_vectors_are_sorted_by_index_whatever_their_coding():
    packed = base64.b64encode(np.array([3.0, 4.0], dtype="<f4").tobytes()).decode()
    data = [SimpleNamespace(index=1, embedding=packed), SimpleNamespace(index=0, embedding=[1.0, 2.0])]
    assert read_vectors(data, 2).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_missing_vector_is_an_error_of_the_provider():
    with pytest.raises(ProviderError, match="2 texts"):
        read_vectors([SimpleNamespace(index=0, embedding=[1.0])], 2)


def test_an_empty_catalogue_is_an_empty_table():
    assert list(read_models({"data": []}).columns) == ["model", "owned_by"]


def test_the_catalogue_has_a_column_for_each_price():
    row = {"id": "m", "owned_by": "o", "catalogue": {"task": "chat", "price": {"input": 0.5, "output": 1.0}}}
    table = read_models({"data": [row, {"id": "n", "owned_by": "o", "catalogue": {"price": None}}]})
    assert list(table["model"]) == ["m", "n"]
    assert table.loc[0, "price.output"] == 1.0


def published(**changes):
    body = {
        "name": "greet",
        "alias": "production",
        "version": 3,
        "template": "Hi {{who}}",
        "parameters": {"model": "m"},
    }
    body |= {"schema": None, "published_at": "2026-01-01T00:00:00Z", "published_by": "ana"}
    body["hash"] = prompt_hash(body["template"], body["parameters"], body["schema"])
    return body | changes


def test_a_published_prompt_is_as_it_was_published():
    assert read_published(published()).version == 3


@pytest.mark.parametrize("change", [{"template": "Hi, {{who}}"}, {"parameters": {"model": "n"}}, {"schema": {}}])
def test_a_published_prompt_that_was_changed_is_not_used(change):
    with pytest.raises(IntegrityError, match="greet@production"):
        read_published(published(**change))
