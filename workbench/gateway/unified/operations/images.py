"""`/v1/images/generations` and `/v1/images/edits`: pictures, whole or part by part; with a mask, out-painting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.dialects.openai_events import PicturesReader, look_of
from workbench.gateway.unified.body import decode
from workbench.gateway.unified.form import Form
from workbench.gateway.unified.operation import FormOperation, Operation
from workbench.gateway.unified.operations.chat import Count
from workbench.gateway.unified.operations.form_fields import boolean, count_of, form_question, required, some_file
from workbench.gateway.unified.question import Question, raw_fields
from workbench.wire.usage import Usage

_MOST_TOKENS_MADE = 10_000
"""Output tokens of a picture, at most: OpenAI's reference has 6,240 for the largest at high quality."""
_MOST_TOKENS_SEEN = 7_000
"""Input tokens of a picture, at most."""


class _Generation(msgspec.Struct):
    model: str
    prompt: str
    background: str | None = None
    moderation: str | None = None
    n: Count | None = None
    output_compression: int | None = None
    output_format: str | None = None
    partial_images: int | None = None
    quality: str | None = None
    response_format: str | None = None
    size: str | None = None
    stream: bool | None = None
    style: str | None = None
    user: str | None = None


_generation = msgspec.json.Decoder(_Generation)


def read_generation(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of images/generations; raises InvalidInput."""
    wish = decode(body, _generation)
    if not wish.prompt:
        raise _no_prompt()
    count = wish.n or 1
    return Question(
        operation="images/generations",
        model=wish.model,
        size=len(body),
        fields=raw_fields(body),
        forwarded=forwarded,
        stream=wish.stream is True,
        reader=partial(PicturesReader, count=count, look=look_of(wish.quality, wish.size)),
        pieces=Usage(images=count),
        choices=count,
        output_limit=_MOST_TOKENS_MADE,
    )


def read_edit(form: Form, forwarded: Mapping[str, str]) -> Question:
    """Read the form of images/edits; raises InvalidInput."""
    if not required(form, "prompt"):
        raise _no_prompt()
    some_file(form, "image", "image[]")
    if len(form.named("mask")) > 1:
        raise InvalidInput("mask stands several times in the form.", hint="Send it once.", param="mask")
    count = count_of(form, "n") or 1
    pictures = [part for part in form.parts if part.filename is not None]
    return form_question(
        form,
        "images/edits",
        forwarded,
        stream=boolean(form, "stream"),
        reader=partial(PicturesReader, count=count, look=look_of(form.text("quality"), form.text("size"))),
        pieces=Usage(images=count, input_tokens=_MOST_TOKENS_SEEN * len(pictures)),
        choices=count,
        output_limit=_MOST_TOKENS_MADE,
    )


def _no_prompt() -> InvalidInput:
    return InvalidInput("prompt is empty.", hint="Say what is to be seen.", param="prompt")


GENERATIONS = Operation("/v1/images/generations", "image", read_generation)
EDITS = FormOperation("/v1/images/edits", "image", read_edit)
