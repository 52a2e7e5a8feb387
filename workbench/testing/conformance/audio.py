"""Cases of models that speak and listen."""

from __future__ import annotations

import io
import math
import struct
import wave

from workbench.client import Gateway
from workbench.testing.conformance.case import Case
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import expect

_RATE = 16_000


def spoken(gateway: Gateway, subject: Subject) -> str:
    """Check that a text becomes sound."""
    answer = gateway.openai.audio.speech.create(model=subject.model, voice="alloy", input="Dinner is ready.")
    kind = str(answer.response.headers.get("content-type", ""))
    expect(len(answer.content) > 100, f"only {len(answer.content)} bytes came")
    expect("json" not in kind and not answer.content.startswith(b"{"), f"what came is no sound but {kind}")
    return f"{kind}, {len(answer.content)} bytes"


def heard(gateway: Gateway, subject: Subject) -> str:
    """Check that a recording becomes text; of a mere tone that may be none."""
    answer = gateway.openai.audio.transcriptions.create(model=subject.model, file=("tone.wav", _tone()))
    expect(isinstance(answer.text, str), "the answer has no text field")
    return repr(answer.text[:60])


def _tone() -> bytes:
    """Return a second of a tone as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(
            b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * n / _RATE))) for n in range(_RATE))
        )
    return file.getvalue()


AUDIO = (Case("speech", "speech", spoken), Case("transcription", "transcription", heard))
