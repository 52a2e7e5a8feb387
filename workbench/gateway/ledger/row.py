"""A ledger row: who asked, what for, what it used and cost, how it ended. Its fields are the columns, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Outcome = Literal["ok", "refused", "failed", "client_left", "unknown"]
RESERVED_CAPACITY = "/reserved-capacity"
"""The path of rows that book hours of reserved capacity, by which reports tell them from calls."""
GENESIS = "0" * 64
"""The `prev_hash` of a writer's first row."""
EDITION = 3
"""What rows are written as; older ones stay as they are, and their hashes stay good."""
_SINCE = {"data_class": 2, "edition": 2, "account": 3}
"""Columns that came later, and with which edition."""


class LedgerRow(msgspec.Struct, kw_only=True):
    """One call. Fields that nothing fills yet stay None."""

    request_id: str
    """Ours, `req_...`; also in the `x-request-id` header."""
    time: str
    """When the call came, UTC."""
    stage: str
    """The gateway's stage."""
    key_id: str | None = None
    """The key that made the call; None where none was good."""
    owner: str | None = None
    """Whose key it is."""
    use_case: str | None = None
    """The use case that the key belongs to."""
    priority: str | None = None
    """`batch` or None."""
    path: str
    """Path of the request."""
    model: str | None = None
    """The name that the caller used."""
    deployment: str | None = None
    """Where it was answered, or tried last: `provider/model`."""
    region: str | None = None
    """Region of the deployment."""
    provider: str | None = None
    """Provider of the deployment."""
    stream: int | None = None
    """1 for a stream, 0 for a plain answer."""
    status: int | None = None
    """HTTP status that the caller got; 499 if the client left before there was one."""
    outcome: Outcome = "unknown"
    """`ok`; `refused` by the gateway; `failed` at the provider or here; `client_left`; `unknown`."""
    error_code: str | None = None
    """Code of the error, where there was one."""
    attempts: int = 0
    """How often a provider was asked."""
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    images: int | None = None
    audio_seconds: float | None = None
    cost_usd: float | None = None
    """US dollars; None where no price is known."""
    cost_source: str | None = None
    """`settings`, `price_book`, `local`, `estimated`, `unknown`, or None where nothing was used."""
    price_version: str | None = None
    """Which prices were used."""
    latency_ms: float | None = None
    """From the request's head to its last byte but one."""
    first_token_ms: float | None = None
    """Until the first frame of a stream was there."""
    overhead_ms: float | None = None
    """What of the latency was not spent waiting for a provider."""
    cache: str | None = None
    redactions: int | None = None
    guard: str | None = None
    tags: str | None = None
    """What the caller sent in `x-workbench-tags`, as a JSON object."""
    trace_id: str | None = None
    """From the caller's `traceparent`."""
    body_ref: str | None = None
    """What became of the bodies: `keep` or `hash`, then a keyed hash of the request and of the answer."""
    data_class: str | None = None
    """The use case's data class when the call came; `exploration` for a key without a use case."""
    account: str | None = None
    """The first of the line of rotated keys that the key belongs to, the key itself where nobody says another.

    Limits, budgets and sums go by it.
    """
    edition: int | None = EDITION
    """Which columns the hash goes over; None: those of the first edition."""
    writer: str = ""
    """Who wrote the row; each writer has a chain of its own."""
    seq: int = 0
    """Number in the writer's chain, from 1."""
    prev_hash: str = ""
    """`hash` of the writer's row before."""
    hash: str = ""
    """SHA-256 over all fields before it."""

    def seal(self, *, writer: str, seq: int, prev_hash: str) -> tuple[Any, ...]:
        """Put the row in its place in a writer's chain; return its values in the order of the columns."""
        self.writer, self.seq, self.prev_hash = writer, seq, prev_hash
        self.account = self.account or self.key_id
        values = msgspec.structs.astuple(self)
        self.hash = chain_hash(values[:-1])
        return (*values[:-1], self.hash)


COLUMNS = LedgerRow.__struct_fields__
SUBJECT_COLUMNS = {"key": "account", "use_case": "use_case", "user": "owner", "model": "model", "provider": "provider"}
"""The column that names a subject of limits, of money, of alerts."""
_HASHED = {
    edition: tuple(name for name in COLUMNS[:-1] if _SINCE.get(name, 1) <= edition) for edition in range(1, EDITION + 1)
}
"""What the hash of an edition goes over."""
REAL = frozenset({"audio_seconds", "cost_usd", "latency_ms", "first_token_ms", "overhead_ms"})
"""Columns that hold fractions."""
INTEGER = frozenset(
    {"stream", "status", "attempts", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
     "reasoning_tokens", "images", "redactions", "edition", "seq"}
)  # fmt: skip
"""Columns that hold whole numbers; all others hold text."""


def chain_hash(values: tuple[Any, ...]) -> str:
    """Return the hash of a row's values, all columns but `hash`; `prev_hash` among them makes the chain."""
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()


def hash_of(fields: Mapping[str, Any]) -> str:
    """Return the hash that a stored row should have; an edition that nobody knows gets none."""
    names = _HASHED.get(fields["edition"] or 1, ())
    return chain_hash(tuple(fields[name] for name in names))
