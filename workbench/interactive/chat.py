"""Ask a model, and see its answer grow in the cell: `wb.chat(...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.errors import NotFound
from workbench.interactive.answer import ShownAnswer, keep
from workbench.interactive.live import surface
from workbench.prompts.defaults import default_gateway
from workbench.wire.usage import Usage

if TYPE_CHECKING:
    from workbench.client import Gateway, Stream
    from workbench.client.base import Prompt


def chat(
    prompt: Prompt,
    *,
    model: str | None = None,
    tags: Mapping[str, str] | None = None,
    gateway: Gateway | None = None,
    **parameters: Any,
) -> ShownAnswer:
    """Ask a model, show its answer as Markdown while it comes, and return it.

    `prompt` is a text or chat messages; without `model` the first chat model of the catalogue is asked; `parameters`
    are those of the OpenAI API. The cell keeps the whole answer as static Markdown; on a terminal it is printed. An
    interrupt ends the model's work too and is raised again: what had come stays in the output, and `wb.last()` returns
    it. Raises what `Gateway.stream` does.
    """
    asked = gateway if gateway is not None else default_gateway()
    return show(asked.stream(prompt, model=model or default_model(asked), tags=tags, **parameters), model=model)


def show(stream: Stream, *, model: str | None) -> ShownAnswer:
    """Show a stream as it comes, and return the whole; `model` is what was asked for."""
    output = surface()
    pieces: list[str] = []
    try:
        for piece in stream:
            pieces.append(piece)
            output.add(piece)
    except BaseException as error:
        # What was paid for stays, whatever ended it.
        stream.close()
        stopped = isinstance(error, KeyboardInterrupt)
        output.end("interrupted" if stopped else "the answer broke off here")
        keep(_partial(stream, "".join(pieces), model, interrupted=stopped))
        raise
    answer = ShownAnswer.of(stream.result)
    output.end()
    keep(answer)
    return answer


def default_model(gateway: Gateway) -> str:
    """Return the first chat model of the catalogue that the key may use; raises NotFound where there is none."""
    models = gateway.models(task="chat")
    if "allowed" in models:
        models = models[models["allowed"] != False]  # noqa: E712 - a column, in which what is not told is allowed
    if models.empty:
        raise NotFound("The catalogue has no chat model that this key may use.", hint="`wb.offer()` looks for some.")
    return str(models["model"].iloc[0])


def _partial(stream: Stream, text: str, model: str | None, *, interrupted: bool) -> ShownAnswer:
    return ShownAnswer(
        text=text,
        images=[],
        usage=Usage(),
        cost_usd=None,
        latency_ms=0.0,
        request_id=stream.request_id,
        model=model or "",
        finish_reason=None,
        interrupted=interrupted,
    )
