"""What the client sends for pictures, and what it makes of the answer."""

from __future__ import annotations

import base64

import pytest
from openai.types import ImagesResponse

from workbench.client import pictures
from workbench.client.sdk import EDIT_PARAMETERS, GENERATE_PARAMETERS
from workbench.errors import InvalidInput, ProviderError

PNG = b"\x89PNG and so on"


def sent(**changes):
    options = {"model": "painter", "image": PNG, "mask": None, "tags": None, "parameters": {}, "known": EDIT_PARAMETERS}
    return pictures.arguments("a table", **{**options, **changes})


def answer(**one):
    return ImagesResponse.model_validate({"created": 1, "data": [one]})


def test_picture_and_mask_go_as_files_with_a_name():
    made = sent(mask=b"mask", parameters={"size": "256x256"}, tags={"team": "menu"})
    assert made["image"] == ("image.png", PNG, "image/png")
    assert made["mask"] == ("mask.png", b"mask", "image/png")
    assert (made["size"], made["extra_headers"]) == ("256x256", {"x-workbench-tags": "team=menu"})


def test_a_mask_without_a_picture_is_refused():
    with pytest.raises(InvalidInput, match="A mask needs a picture"):
        sent(image=None, mask=PNG, known=GENERATE_PARAMETERS)


def test_an_unknown_parameter_is_refused_with_what_is_near():
    with pytest.raises(InvalidInput, match="Did you mean 'quality'"):
        sent(parameters={"qualty": "high"})


def test_a_streamed_picture_is_not_asked_for():
    with pytest.raises(InvalidInput, match="no picture parameter 'stream'"):
        sent(parameters={"stream": True})


def test_an_answer_is_read_with_its_cost_and_name():
    head = {"x-request-id": "req_1", "x-workbench-cost-usd": "0.04", "x-workbench-model": "other"}
    read = pictures.read(answer(b64_json=base64.b64encode(PNG).decode()), head, model="painter", latency_ms=1.0)
    assert (read.images, read.cost_usd, read.request_id, read.model) == ([PNG], 0.04, "req_1", "other")


def test_an_answer_that_only_links_is_not_followed():
    with pytest.raises(ProviderError, match="response_format='b64_json'"):
        pictures.read(answer(url="http://127.0.0.1:9/x.png"), {}, model="painter", latency_ms=1.0)


def test_an_answer_without_a_picture_is_an_error():
    with pytest.raises(ProviderError, match="without a picture"):
        pictures.read(ImagesResponse(created=1, data=[]), {}, model="painter", latency_ms=1.0)
