"""The bodies of calls: recorded as they pass where the data class has them hashed or kept, else not looked at.

Bodies are recorded as the caller sent and got them, byte for byte and never cut anew; headers never. Masking,
redaction, hashing and packing are done in the ledger's thread, beside the row that they belong to.
"""

from __future__ import annotations

import hmac
import logging
import os
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from starlette.types import Message, Receive

from workbench.gateway.access.keys import Key
from workbench.gateway.access.use_cases import UseCaseTable
from workbench.gateway.audit.masking import mask_credentials
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.spool import LOST
from workbench.settings.audit import EXPLORATION, AuditSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("workbench.gateway.audit")

Redactor = Callable[[bytes, str], bytes]
"""From a body and its content type to what of it may be kept; called in the ledger's thread."""
_SALT_BYTES = 16
_DIGEST = "sha256"
_PACKING = 1
"""zlib's fastest: texts shrink to a quarter, and better packing costs ten times as much."""


def unredacted(body: bytes, _content_type: str) -> bytes:
    """Let a body pass as it is."""
    return body


class Recorder:
    """Knows which calls' bodies are recorded, and what becomes of them."""

    redact: Redactor
    """What takes personal data out of a body before it is kept."""

    def __init__(self, settings: AuditSettings, use_cases: UseCaseTable, *, shared: bool) -> None:
        self._settings = settings
        self._shared = shared
        self._use_cases = use_cases
        self.open(b"")
        self.redact = unredacted
        classes = [EXPLORATION, None, *settings.classes]
        self.idle = all(settings.body_mode(name, shared=shared) == "none" for name in classes)
        """Whether no body of any call is looked at."""

    def open(self, secret: bytes) -> None:
        """Take the secret that hashes are keyed with: without it nobody can try out what a body may have been."""
        self._keyed = hmac.new(secret, digestmod=_DIGEST)  # made once: OpenSSL takes long to find its algorithm

    def class_of(self, key: Key) -> str | None:
        """Return the data class of a key's calls."""
        if key.use_case is None:
            return EXPLORATION if key.kind == "exploration" else None
        use_case = self._use_cases.get(key.use_case)
        return None if use_case is None else use_case.data_class

    def tape(self, data_class: str | None) -> Tape | None:
        """Return what a call's bodies are recorded on; None where they are left out."""
        mode = self._settings.body_mode(data_class, shared=self._shared)
        return None if mode == "none" else Tape(self, mode, self._settings.bodies.max_bytes)

    def hashed(self, body: bytes) -> str:
        """Return the keyed hash of a body, as rows carry it where bodies are hashed."""
        return _digest(self._keyed, mask_credentials(body))


class _Body:
    """One body, as far as it is kept."""

    __slots__ = ("content_type", "cut", "parts", "room")

    def __init__(self, most: int) -> None:
        self.parts: list[bytes] = []
        self.room = most
        self.cut = False
        self.content_type = b""

    def add(self, piece: bytes) -> None:
        if len(piece) > self.room:
            self.cut = True
            piece = piece[: self.room]
        if piece:
            self.parts.append(piece)
            self.room -= len(piece)


class Tape:
    """The bodies of one call."""

    __slots__ = ("_answer", "_mode", "_question", "_recorder")

    def __init__(self, recorder: Recorder, mode: Literal["hash", "keep"], most: int) -> None:
        self._recorder = recorder
        self._mode = mode
        self._question = _Body(most)
        self._answer = _Body(most)

    def listening(self, receive: Receive, headers: Mapping[bytes, bytes]) -> Receive:
        """Return `receive`, with the request's body recorded as it comes."""
        question = self._question
        question.content_type = headers.get(b"content-type", b"")

        async def heard() -> Message:
            message = await receive()
            if body := message.get("body"):
                question.add(body)
            return message

        return heard

    def said(self, piece: bytes, content_type: bytes) -> None:
        """Record a piece of the answer, as it goes to the caller."""
        self._answer.add(piece)
        self._answer.content_type = content_type

    def sealed(self, row: LedgerRow) -> tuple[Any, ...] | None:
        """Write what became of the bodies into the row; return what is kept, as the spool's BODY_COLUMNS."""
        try:
            return self._sealed(row)
        except Exception:  # noqa: BLE001 - the row must be written whatever a redactor does
            _log.exception("the bodies of call %s are not kept", row.request_id)
            row.body_ref = LOST
            return None

    def _sealed(self, row: LedgerRow) -> tuple[Any, ...] | None:
        keeps = self._mode == "keep"
        salt = os.urandom(_SALT_BYTES) if keeps else b""
        keyed = hmac.new(salt, digestmod=_DIGEST) if keeps else self._recorder._keyed  # noqa: SLF001 - of the same file
        kept: list[Any] = []
        told: list[str] = [self._mode]
        for body in (self._question, self._answer):
            whole = mask_credentials(b"".join(body.parts))
            if keeps:
                content_type = body.content_type.decode("latin-1")[:200]
                whole = self._recorder.redact(whole, content_type)
                kept += [zlib.compress(whole, _PACKING), content_type, int(body.cut)]
            told.append(_digest(keyed, whole))
        row.body_ref = ":".join(told)
        return (row.time, row.data_class, salt, *kept) if keeps else None


def fits(body_ref: str, salt: bytes, request: bytes, response: bytes) -> bool:
    """Return whether kept bodies, unpacked, are those that a row tells of."""
    keyed = hmac.new(salt, digestmod=_DIGEST)
    told = [_digest(keyed, body) for body in (request, response)]
    return hmac.compare_digest(body_ref, ":".join(["keep", *told]))


def _digest(keyed: hmac.HMAC, body: bytes) -> str:
    """Return the hash of a body with the key of `keyed`."""
    one = keyed.copy()
    one.update(body)
    return one.hexdigest()
