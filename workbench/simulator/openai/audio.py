"""Sound heard and spoken: transcriptions and translations of files, speech in pieces."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import note_of, words_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Frames, Refused, Reply, Whole
from workbench.simulator.sound import media_type, seconds_of, spoken
from workbench.wire.sse import frame

_FORMS = ("json", "text", "srt", "verbose_json", "vtt")
_TEXT = "text/plain; charset=utf-8"


def transcribe(exchange: Exchange) -> Reply:
    """Answer with what was said, which here tells name, size and hash of the file."""
    return _heard(exchange, "heard")


def translate(exchange: Exchange) -> Reply:
    """Answer with what was said, in English."""
    return _heard(exchange, "translated")


def speak(exchange: Exchange) -> Reply:
    """Answer with speech, a word a piece."""
    body = exchange.body
    form, words = body.get("response_format") or "mp3", str(body["input"]).split()
    tokens = len(words)
    if body.get("stream_format") == "sse":
        used = Used(input=tokens, audio_output=tokens * 5, characters=len(str(body["input"])))
        return Frames(frames=_spoken_events(words, form), tokens=tokens, used=(used,))
    used = Used(input=tokens, audio_output=tokens * 5, characters=len(str(body["input"])))
    whole = spoken(" ".join(words), form)  # cut, not made piece by piece: a file has one head
    size = max(1, len(whole) // max(1, len(words)))
    pieces = (whole[at : at + size] for at in range(0, len(whole), size))
    return Frames(frames=pieces, content_type=media_type(form), tokens=tokens, used=(used,), binary=True)


def _heard(exchange: Exchange, how: str) -> Reply:
    files, model = exchange.files("file"), exchange.form("model")
    form = exchange.form("response_format") or "json"
    if not files or not model:
        raise Refused(400, "file and model are required.")
    if form not in _FORMS:
        raise Refused(400, f"response_format must be one of {', '.join(_FORMS)}.")
    file = files[0]
    text = f"{how} {file.filename} {note_of(file.content_type or 'audio', file.data)}"
    seconds, words = seconds_of(file.data), text.split()
    usage = _usage(model, seconds, len(words))
    used = (_charged(usage),)
    if exchange.form("stream") == "true" and how == "heard":
        return Frames(frames=_heard_events(text, usage), tokens=len(words), used=used)
    match form:
        case "text":
            return Whole(body=f"{text}\n".encode(), content_type=_TEXT, used=used)
        case "srt":
            told = f"1\n00:00:00,000 --> {_clock(seconds, ',')}\n{text}\n\n"
            return Whole(body=told.encode(), content_type=_TEXT, used=used)
        case "vtt":
            told = f"WEBVTT\n\n00:00:00.000 --> {_clock(seconds, '.')}\n{text}\n\n"
            return Whole(body=told.encode(), content_type=_TEXT, used=used)
        case "verbose_json":
            body = {"text": text, "usage": usage, **_verbose(exchange, text, seconds)}
            return Whole(body=body, tokens=len(words), used=used)
        case _:
            return Whole(body={"text": text, "usage": usage}, tokens=len(words), used=used)


def _verbose(exchange: Exchange, text: str, seconds: float) -> dict[str, Any]:
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": seconds,
        "text": text,
        "tokens": [1],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    told = {"task": "transcribe", "language": exchange.form("language") or "english", "duration": seconds}
    wanted = [part.data.decode() for part in exchange.parts if part.name.startswith("timestamp_granularities")]
    words = text.split() if "word" in wanted else []
    step = seconds / max(1, len(words))
    timed = [{"word": w, "start": i * step, "end": (i + 1) * step} for i, w in enumerate(words)]
    return {**told, "segments": [segment], **({"words": timed} if timed else {})}


def _usage(model: str, seconds: float, words: int) -> dict[str, Any]:
    if model.startswith("whisper"):
        return {"type": "duration", "seconds": max(1, round(seconds))}
    heard = max(1, int(seconds * 10))
    return {
        "type": "tokens",
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": words,
        "total_tokens": heard + words,
    }


def _charged(usage: dict[str, Any]) -> Used:
    if usage["type"] == "duration":
        return Used(seconds=usage["seconds"])
    return Used(audio_input=usage["input_tokens"], output=usage["output_tokens"])


def _heard_events(text: str, usage: dict[str, Any]) -> Iterator[bytes]:
    for number, word in enumerate(text.split(" ")):
        delta = word if number == 0 else f" {word}"
        yield frame(msgspec.json.encode({"type": "transcript.text.delta", "delta": delta}))
    yield frame(msgspec.json.encode({"type": "transcript.text.done", "text": text, "usage": usage}))


def _spoken_events(words: list[str], form: str) -> Iterator[bytes]:
    for word in words:
        audio = base64.b64encode(spoken(word, form)).decode()
        yield frame(msgspec.json.encode({"type": "speech.audio.delta", "audio": audio}))
    count = words_of(" ".join(words))
    usage = {"input_tokens": count, "output_tokens": count * 5, "total_tokens": count * 6}
    yield frame(msgspec.json.encode({"type": "speech.audio.done", "usage": usage}))


def _clock(seconds: float, mark: str) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{mark}{int(seconds % 1 * 1000):03d}"
