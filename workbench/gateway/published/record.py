"""The record of published prompts: what is live under which alias, since when, by whom and why.

Append-only: each record holds the hash of the one before it, and the whole chain is checked at start. It is the
authority on what is live.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from difflib import get_close_matches
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound
from workbench.gateway.access.identity import Identity
from workbench.gateway.state import PROMPTS, State, published_table
from workbench.gateway.times import utc_now
from workbench.wire.prompt_hash import canonical_json, prompt_hash

GENESIS = "0" * 64
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
_ALIAS = re.compile(r"[A-Za-z0-9_.\-]{1,100}")


class PromptMessage(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a chat template."""

    role: str
    content: str | list[dict[str, Any]]


class Publication(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/prompts/{name}@{alias}`."""

    version: int
    template: str | list[PromptMessage]
    reason: str
    parameters: dict[str, Any] = {}
    schema: dict[str, Any] | None = None
    evidence: dict[str, Any] = {}


class Published:
    """The chain of records, in memory and in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._records: list[dict[str, Any]] = []
        self._live: dict[tuple[str, str], dict[str, Any]] = {}
        self._writing = asyncio.Lock()
        self._fault: IntegrityError | None = None

    @property
    def fault(self) -> IntegrityError | None:
        """Return what is wrong with the record; None: it is whole."""
        return self._fault

    def open(self) -> None:
        """Read and check the chain. A broken one is kept as `fault`: nothing is served from it. Blocks."""
        with self._state.transaction() as connection:
            rows = connection.execute(sa.select(published_table).order_by(published_table.c.seq)).all()
        prev_hash = GENESIS
        records = []
        for seq, row in enumerate(rows, 1):
            record = _checked(row.record, seq=seq, prev_hash=prev_hash, record_hash=row.record_hash)
            if record is None:
                self._fault = IntegrityError(
                    f"Record {seq} of the published prompts is not what was written; none is served.",
                    hint="The admin must restore the state database from a backup.",
                )
                return
            records.append(record)
            prev_hash = row.record_hash
        self._records, self._live = records, {(record["name"], record["alias"]): record for record in records}

    def get(self, reference: str) -> dict[str, Any]:
        """Return what is live under `name@alias`; raises NotFound with the nearest."""
        name, alias = self._split(reference)
        record = self._live.get((name, alias))
        if record is None:
            known = [f"{n}@{a}" for n, a in self._live]
            near = get_close_matches(f"{name}@{alias}", known, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Nothing like it was published."
            raise NotFound(f"No prompt is published as {name}@{alias}.", hint=hint, code="prompt_not_found")
        return record

    def history(self, reference: str) -> list[dict[str, Any]]:
        """Return all records of `name@alias`, newest first; raises NotFound if there is none."""
        record = self.get(reference)
        return [r for r in reversed(self._records) if (r["name"], r["alias"]) == (record["name"], record["alias"])]

    def list(self) -> list[dict[str, Any]]:
        """Return what is live, by name and alias."""
        self._check()
        return [self._live[key] for key in sorted(self._live)]

    async def publish(self, reference: str, wish: Publication, by: Identity) -> dict[str, Any]:
        """Make a version live under `name@alias`; return its record."""
        name, alias = self._split(reference)
        if wish.version < 1:
            raise InvalidInput("version is below 1.", hint="Send the version that MLflow gave.", param="version")
        if not wish.reason.strip():
            raise InvalidInput("reason is empty.", hint="Say why this version goes live.", param="reason")
        template: Any = msgspec.to_builtins(wish.template)
        if not template:
            raise InvalidInput("template is empty.", hint="Send a text or messages.", param="template")
        async with self._writing:
            await asyncio.to_thread(self.open)  # another process may have published
            last = self._records[-1] if self._records else None
            record = {
                "seq": (last["seq"] if last else 0) + 1,
                "name": name,
                "alias": alias,
                "version": wish.version,
                "template": template,
                "parameters": wish.parameters,
                "schema": wish.schema,
                "hash": prompt_hash(template, wish.parameters, wish.schema),
                "evidence": wish.evidence,
                "reason": wish.reason.strip(),
                "published_at": utc_now(),
                "published_by": by.name,
                "prev_hash": last["record_hash"] if last else GENESIS,
            }
            record["record_hash"] = _record_hash(record)
            await asyncio.to_thread(self._append, record)
            self._keep(record)
        return record

    def _append(self, record: dict[str, Any]) -> None:
        try:
            with self._state.transaction(tells=PROMPTS) as connection:
                connection.execute(
                    published_table.insert().values(
                        seq=record["seq"],
                        name=record["name"],
                        alias=record["alias"],
                        record=canonical_json({k: v for k, v in record.items() if k != "record_hash"}).decode(),
                        prev_hash=record["prev_hash"],
                        record_hash=record["record_hash"],
                    )
                )
        except sa.exc.IntegrityError as error:
            raise Conflict(
                "Another gateway published at the same moment.", hint="Look at what it published, then try again."
            ) from error

    def _keep(self, record: dict[str, Any]) -> None:
        self._records.append(record)
        self._live[record["name"], record["alias"]] = record

    def _split(self, reference: str) -> tuple[str, str]:
        self._check()
        name, at, alias = reference.rpartition("@")
        if not at or not _NAME.fullmatch(name) or not _ALIAS.fullmatch(alias):
            raise InvalidInput(
                f"{reference[:200]!r} is no name@alias.", hint="Names hold letters, digits, '_', '.' and '-'.",
                param="name",
            )  # fmt: skip
        return name, alias

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault


def as_prompt(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as an application gets it."""
    template = record["template"]
    messages = [{"role": "user", "content": template}] if isinstance(template, str) else template
    told = ("name", "alias", "version", "template", "parameters", "schema", "hash", "published_at", "published_by")
    return {**{field: record[field] for field in told}, "messages": messages}


def _record_hash(record: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(record)).hexdigest()


def _checked(text: str, *, seq: int, prev_hash: str, record_hash: str) -> dict[str, Any] | None:
    """Return a record with its hash; None if it is not what was written in its place."""
    try:
        record: dict[str, Any] = json.loads(text)
        whole = _record_hash(record) == record_hash and (record["seq"], record["prev_hash"]) == (seq, prev_hash)
        whole = whole and prompt_hash(record["template"], record["parameters"], record["schema"]) == record["hash"]
    except (ValueError, KeyError, TypeError):
        return None
    return {**record, "record_hash": record_hash} if whole else None
