"""The record of published prompts: what is live under which alias, since when, by whom and why.

It stands on a hash chain, which keeps records of other kinds too, and is the authority on what is live.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound
from workbench.gateway.access.identity import Identity
from workbench.gateway.published.chain import PUBLISH, Chain, Record, kind_of
from workbench.gateway.published.content import Content, PromptMessage, check_evidence
from workbench.gateway.state import State
from workbench.gateway.times import utc_now
from workbench.wire.few_shot import with_examples

__all__ = ["PromptMessage", "Publication", "Published", "as_prompt"]

_ByAlias = dict[tuple[str, str], list[Record]]
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
_ALIAS = re.compile(r"[A-Za-z0-9_.\-]{1,100}")


class Publication(Content):
    """The body of `POST /v1/prompts/{name}@{alias}`."""

    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
    expects: int | None = None
    """Number of the publication that was live when it was decided, 0 for none; None: whatever is live now."""


class Published:
    """What is live, read out of the chain."""

    def __init__(self, state: State) -> None:
        self.chain = Chain(state)
        """All records, of every kind."""
        self._read: tuple[Sequence[Record], _ByAlias] = ((), {})

    @property
    def fault(self) -> IntegrityError | None:
        """Return what is wrong with the record where nothing can be served from it; None: there is what to serve."""
        return None if self.chain.records else self.chain.fault

    def open(self) -> None:
        """Read and check the chain. A broken one is kept as `fault`: nothing is served from it. Blocks."""
        self.chain.open()

    async def catch_up(self) -> None:
        """Take over what other processes have written."""
        await self.chain.catch_up()

    def get(self, reference: str) -> Record:
        """Return what is live under `name@alias`; raises NotFound with the nearest."""
        return self.history(reference)[0]

    def history(self, reference: str) -> builtins.list[Record]:
        """Return all publications of `name@alias`, newest first; raises NotFound if there is none."""
        name, alias = self.split(reference)
        found = self._publications().get((name, alias))
        if found is None:
            known = [f"{n}@{a}" for n, a in self._publications()]
            near = get_close_matches(f"{name}@{alias}", known, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Nothing like it was published."
            raise NotFound(f"No prompt is published as {name}@{alias}.", hint=hint, code="prompt_not_found")
        return found[::-1]

    def list(self) -> builtins.list[Record]:
        """Return what is live, by name and alias."""
        self._check()
        found = self._publications()
        return [found[key][-1] for key in sorted(found)]

    def of_kind(self, *kinds: str, name: str | None = None, alias: str | None = None) -> builtins.list[Record]:
        """Return the records of these kinds, oldest first; of one prompt, or of one alias, where it is named."""
        self._check()
        return [
            record
            for record in self.chain.records
            if kind_of(record) in kinds and name in (None, record["name"]) and alias in (None, record["alias"])
        ]

    def live(self, name: str, alias: str) -> Record | None:
        """Return what is live under an alias, None where nothing is."""
        self._check()
        found = self._publications().get((name, alias))
        return found[-1] if found else None

    async def publish(self, reference: str, wish: Publication, by: Identity) -> Record:
        """Make a version live under `name@alias`; return its record.

        Raises Conflict where something else is live than what was expected.
        """
        name, alias = self.split(reference)
        content = wish.checked()
        check_evidence(wish.evidence)

        def make() -> dict[str, Any]:
            live = self.live(name, alias)
            if wish.expects is not None and wish.expects != (live["seq"] if live else 0):
                now = f"v{live['version']}" if live else "nothing"
                raise Conflict(
                    f"Something else became live as {name}@{alias} meanwhile: now it is {now}.",
                    hint="Hold the version against what is live now.",
                    code="stale_request",
                )
            owner = {"self_approved_as_local_owner": True} if by.source == "owner" else {}
            who = {"published_at": utc_now(), "published_by": by.name, "requested_by": by.name, "approved_by": []}
            return {"name": name, "alias": alias, **content, "evidence": wish.evidence, **who, **owner}

        return await self.chain.append(make)

    async def append(
        self,
        kind: str,
        name: str,
        body: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        by: Identity,
        *,
        alias: str = "",
    ) -> Record:
        """Add a record of another kind about a prompt, or about one alias of it; return it.

        The record is `{seq, kind, name, alias, body, at, by, source, prev_hash, record_hash}`. A `body` that is called
        is called once all that other processes wrote is known here, and may raise: what it decides on can't have
        changed when the record is written. Raises InvalidInput for a body that is no JSON.
        """
        self._check()
        if kind == PUBLISH or not _NAME.fullmatch(name) or (alias and not _ALIAS.fullmatch(alias)):
            raise InvalidInput(f"A record of kind {kind!r} can't be kept about {name[:200]!r}.", param="name")

        def make() -> dict[str, Any]:
            told = dict(body() if callable(body) else body)
            who = {"at": utc_now(), "by": by.name, "source": by.source}
            return {"kind": kind, "name": name, "alias": alias, "body": told, **who}

        try:
            return await self.chain.append(make)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"A record of kind {kind!r} holds what is no JSON: {error}.") from error

    def split(self, reference: str) -> tuple[str, str]:
        """Return the name and the alias of `name@alias`; raises InvalidInput for what is none."""
        self._check()
        name, at, alias = reference.rpartition("@")
        if not at or not _NAME.fullmatch(name) or not _ALIAS.fullmatch(alias):
            raise InvalidInput(
                f"{reference[:200]!r} is no name@alias.", hint="Names hold letters, digits, '_', '.' and '-'.",
                param="name",
            )  # fmt: skip
        return name, alias

    def _publications(self) -> _ByAlias:
        """Return all publications by name and alias, oldest first; read anew where records came in."""
        records = self.chain.records
        known, found = self._read
        if records is not known:
            found = {}
            for record in records:
                if kind_of(record) == PUBLISH:
                    found.setdefault((record["name"], record["alias"]), []).append(record)
            self._read = (records, found)  # at once: who writes a record reads in a thread
        return found

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault


def as_prompt(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as an application gets it."""
    messages = with_examples(record["template"], record.get("form"))
    told = ("name", "alias", "version", "template", "parameters", "schema", "hash", "published_at", "published_by")
    form = {"form": record["form"]} if record.get("form") else {}
    return {**{field: record[field] for field in told}, **form, "messages": messages}
