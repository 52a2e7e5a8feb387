"""What every driver shares. Standard library only: a driver also runs where nothing but its SDK is installed.

A driver is a table of cases for one SDK. A case uses the SDK as its own documentation does and returns what it saw, as
JSON, in words that are the same for all SDKs. As a program it reads `{"case", "target"}` a line, and answers a line.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import traceback
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

HELLO = "hello wörld 😀 日本語"
LETTERS = "naïve \u2014 e\u0301 日本語 \U0001f469\u200d\U0001f467 \u2028 \u05e9\u05dc \u202eabc\u202c \U0001d518"
LARGE = "word " * 200_000  # a megabyte
SLOW = "one two three four five six seven eight nine ten " * 40
TOOL_SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TOOL_NAMES = ("find_dish", "order_dish")


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 14)) + chunk(b"IEND", b"")


PNG = _png()
PNG_BASE64 = base64.b64encode(PNG).decode()
WAV = b"RIFF" + struct.pack("<I", 36 + 800) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
WAV += b"data" + struct.pack("<I", 800) + b"\x80" * 800
WAV_BASE64 = base64.b64encode(WAV).decode()


@dataclass(frozen=True)
class Target:
    """Where an SDK is pointed: all that a user would configure."""

    base_url: str
    """What the SDK takes as its base URL."""
    key: str
    """What goes where the provider's key goes."""
    models: Mapping[str, str]
    """Names by task: chat, embedding, image, speech, transcription, moderation."""
    flavour: str = ""
    """A variant of the SDK, such as `azure` or `vertex`."""

    @property
    def model(self) -> str:
        """Return the chat model."""
        return self.models["chat"]


Cases = dict[str, Callable[[Target], Any]]


def raised(error: BaseException, status: int | None) -> dict[str, Any]:
    """Return what is seen of an error: the classes by which it can be caught, and the HTTP status that it tells."""
    names = [kind.__name__ for kind in type(error).__mro__ if kind not in (BaseException, object)]
    return {"raised": names, "status": status}


def run(cases: Cases, name: str, target: Target) -> dict[str, Any]:
    """Return `{"saw": ...}`, or `{"failed": traceback}`."""
    try:
        return {"saw": cases[name](target)}
    except Exception:  # noqa: BLE001 - told to the test, in full
        return {"failed": traceback.format_exc()}


def serve(cases: Cases) -> None:
    """Be a program: answer line by line until the end of the input."""
    for line in sys.stdin:
        order = json.loads(line)
        if order["case"] == "?":
            answer: Any = sorted(cases)
        else:
            answer = run(cases, order["case"], Target(**order["target"]))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
