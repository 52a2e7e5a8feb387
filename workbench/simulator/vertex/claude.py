"""rawPredict and streamRawPredict: Claude on Vertex, whose body is Anthropic's without the model."""

from __future__ import annotations

from workbench.simulator.answer import answer_to
from workbench.simulator.anthropic.content import wish_of
from workbench.simulator.anthropic.messages import answered, charged, frames_of, whole_of
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Frames, Refused, Reply, Whole


def raw_predict(exchange: Exchange) -> Reply:
    """Answer a message, or count one for the model `count-tokens`."""
    _check_version(exchange)
    if exchange.model == "count-tokens":
        return Whole(body={"input_tokens": answer_to(wish_of(exchange.body)).input_tokens})
    answer, asked = answered(exchange)
    body = whole_of(exchange.body, exchange.model, answer, asked)
    return Whole(body=body, tokens=answer.total_tokens, used=charged(answer, asked))


def stream_raw_predict(exchange: Exchange) -> Reply:
    """Answer a streamed message."""
    _check_version(exchange)
    answer, asked = answered(exchange)
    frames = frames_of(exchange.body, exchange.model, answer, asked)
    return Frames(frames=frames, tokens=answer.total_tokens, used=charged(answer, asked))


def _check_version(exchange: Exchange) -> None:
    if not exchange.body.get("anthropic_version"):
        raise Refused(400, "anthropic_version: Field required")
