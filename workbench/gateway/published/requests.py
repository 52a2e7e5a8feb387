"""Requests to make versions live: ask, bring evidence, comment, approve, reject, withdraw, publish.

Each verb is a record in the chain, decided on what every process has written until then. The gateway checks hashes,
people and the order of things; the figures are computed, and computed again, by those who hold MLflow's tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.errors import Conflict, InvalidInput, NotFound, PermissionDenied, PromotionRefused
from workbench.gateway.access.identity import Identity
from workbench.gateway.published.chain import PUBLISH, Record
from workbench.gateway.published.content import Content, check_evidence
from workbench.gateway.published.four_eyes import approvals_needed, self_approves
from workbench.gateway.published.request import (
    APPROVE,
    COMMENT,
    CONTENT,
    EVIDENCE,
    GATE,
    REJECT,
    REQUEST,
    STATES,
    WITHDRAW,
    Request,
    read_requests,
)
from workbench.gateway.reports.question import moment
from workbench.gateway.times import utc_now
from workbench.wire.gates_hash import gates_hash

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_LONGEST = 4000
_ByVersion = dict[tuple[str, str], list[Request]]


class RequestWish(Content):
    """The body of `POST /v1/prompts/{name}@{alias}/requests`."""

    gates: dict[str, Any]


class GateWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /v1/prompts/gates`: rules that are fixed before the run."""

    name: str
    gates: dict[str, Any]
    reason: str = ""


class EvidenceWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `.../evidence`: what the gate said, on which runs, against what was live."""

    passed: bool
    decision: str
    gates_hash: str
    hash: str
    """Of the version that the run used."""
    base: int | None
    """Number of the publication that was live when it was computed."""
    run_id: str
    run_started_at: str
    figures: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    """Dataset, models, baseline, feedback."""


class ApprovalWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `.../approve`."""

    seen: int
    """Number of the evidence that was looked at."""
    why: str = ""
    recomputed: dict[str, Any] | None = None
    """What the gate said to the approver, who computed it again."""


class WordsWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `.../comments`, `.../reject` and `.../withdraw`."""

    text: str = ""


class Requests:
    """All requests of a gateway."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._read: tuple[Sequence[Record], dict[int, Request], _ByVersion] = ((), {}, {})

    # -- what there is ---------------------------------------------------------------------------------------------

    def get(self, number: int) -> Request:
        """Return a request; raises NotFound."""
        found = self._all().get(number)
        if found is None:
            raise NotFound(f"No request {number}.", hint="`workbench prompts requests` shows all.")
        return found

    def list(
        self,
        *,
        name: str | None = None,
        alias: str | None = None,
        state: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> Sequence[Request]:
        """Return requests, newest first: as many as `limit`, older than request `after` unless it is 0."""
        if state is not None and state not in STATES:
            raise InvalidInput(
                f"No request is ever {state[:40]!r}.", hint=f"States: {', '.join(STATES)}.", param="state"
            )
        found = (
            each
            for each in reversed(self._all().values())
            if (not after or each.id < after)
            and name in (None, each.name)
            and alias in (None, each.alias)
            and state in (None, each.state(self._needed(each)))
        )
        return list(islice(found, limit))

    def told(self, request: Request) -> dict[str, Any]:
        """Return a request as people see it: what is asked, how far it is, and what may be doubted."""
        needed = self._needed(request)
        live = self._live(request)
        state = request.state(needed)
        open_ = request.ended is None
        evidence = request.evidence
        return {
            "id": request.id,
            "name": request.name,
            "alias": request.alias,
            **request.body,
            "state": state,
            "stale": open_ and request.base != (live["seq"] if live else None),
            "live_version": live["version"] if live else None,
            "asked_by": request.first["by"],
            "asked_at": request.first["at"],
            "approvals_needed": needed,
            "approved_by": [each["by"] for each in request.approvals],
            "evidence": None
            if evidence is None
            else {**evidence["body"], "seq": evidence["seq"], "by": evidence["by"]},
            "other_gates": self._other_gates(request),
            "events": [_event(each) for each in (request.first, *request.events)],
        }

    # -- what may be done ------------------------------------------------------------------------------------------

    async def register(self, wish: GateWish, by: Identity) -> Record:
        """Fix a gate for a prompt before the run; the same gate again is a record again, the first time counts."""
        body = {"gates": wish.gates, "gates_hash": gates_hash(wish.gates), "reason": _words(wish.reason)}
        return await self._gateway.published.append(GATE, wish.name, body, by)

    async def ask(self, reference: str, wish: RequestWish, by: Identity) -> Request:
        """Ask that a version become live as `name@alias`."""
        published = self._gateway.published
        name, alias = published.split(reference)
        content = wish.checked()

        def body() -> dict[str, Any]:
            live = published.live(name, alias)
            if live is not None and live["hash"] == content["hash"]:
                raise Conflict(f"{name} v{live['version']} is live as {alias!r} already, and it is the same.")
            for each in self._all().values():
                same = (each.name, each.alias, each.body["hash"]) == (name, alias, content["hash"])
                if same and each.ended is None and each.body["gates_hash"] == gates_hash(wish.gates):
                    raise Conflict(
                        f"Request {each.id} asks for the same with the same gate.",
                        hint="Go on with it, or withdraw it.",
                    )
            rules = {"gates": wish.gates, "gates_hash": gates_hash(wish.gates)}
            return {**content, **rules, "base": live["seq"] if live else None}

        record = await published.append(REQUEST, name, body, by, alias=alias)
        return self.get(record["seq"])

    async def bring(self, number: int, wish: EvidenceWish, by: Identity) -> Request:
        """Keep what the gate said; an approval of older evidence does not count for it."""
        check_evidence(wish.evidence)
        began = moment(wish.run_started_at, name="run_started_at", now=0)

        def step(request: Request) -> dict[str, Any]:
            for what, found, right in (
                ("gates_hash", wish.gates_hash, request.body["gates_hash"]),
                ("hash", wish.hash, request.body["hash"]),
            ):
                if found != right:
                    said = "another gate decided" if what == "gates_hash" else "the run used another text or parameters"
                    hashes = f"{found[:12]}... instead of {right[:12]}..."
                    raise Conflict(
                        f"Request {request.id}: {said} than was asked for ({hashes}).",
                        hint="What was asked for stays: ask anew with the gate and version that are meant.",
                        code=f"other_{what}",
                    )
            live = self._live(request)
            if wish.base != (live["seq"] if live else None):
                raise Conflict(
                    f"Something else became live as {request.name}@{request.alias} meanwhile.",
                    hint="Hold the run against what is live now.",
                    code="stale_request",
                )
            registered = self._registered_at(request)
            before = began is not None and registered < began
            if request.body["gates"].get("preregistered") and wish.passed and not before:
                raise PromotionRefused(
                    f"Request {request.id}: its gate was registered at {registered}, after the run began "
                    f"({began}), and it demands to be registered before.",
                    hint="Register the gate, then run again.",
                )
            return {
                **msgspec.to_builtins(wish),
                "run_started_at": began,
                "registered_at": registered,
                "preregistered": before,
            }

        return await self._step(number, EVIDENCE, step, by)

    async def comment(self, number: int, wish: WordsWish, by: Identity) -> Request:
        """Say something about a request, be it open or not."""
        text = _words(wish.text)
        if not text:
            raise InvalidInput("text is empty.", hint="Say something.", param="text")
        return await self._step(number, COMMENT, lambda _: {"text": text}, by, ended_too=True)

    async def approve(self, number: int, wish: ApprovalWish, by: Identity) -> Request:
        """Approve a request whose evidence passed the gate; nobody approves their own."""

        def step(request: Request) -> dict[str, Any]:
            self._check_passed(request)
            evidence = request.evidence
            if evidence is None or evidence["seq"] != wish.seen:
                raise Conflict(f"Request {request.id} has other evidence than you looked at.", hint="Look at it again.")
            if wish.recomputed is not None and not wish.recomputed.get("passed"):
                raise PromotionRefused(f"Request {request.id}: computed again, its evidence does not pass the gate.")
            if by.name in {each["by"] for each in request.approvals}:
                raise Conflict(f"{by.name} has approved request {request.id} already.")
            own = self_approves(by, request.hands, self._gateway.settings)
            words = {"why": _words(wish.why), "recomputed": wish.recomputed}
            return {**words, "evidence": evidence["seq"], "self_approved_as_local_owner": own}

        return await self._step(number, APPROVE, step, by)

    async def reject(self, number: int, wish: WordsWish, by: Identity) -> Request:
        """Reject a request, for good."""
        text = _words(wish.text)
        if not text:
            raise InvalidInput("text is empty.", hint="Say why.", param="text")
        return await self._step(number, REJECT, lambda _: {"text": text}, by)

    async def withdraw(self, number: int, wish: WordsWish, by: Identity) -> Request:
        """Take a request back; who asked may, and an admin."""

        def step(request: Request) -> dict[str, Any]:
            if by.name != request.first["by"] and "admin" not in by.roles:
                raise PermissionDenied(
                    f"{by.name} did not make request {request.id}.",
                    hint=f"{request.first['by']} did.",
                    code="not_owner",
                )
            return {"text": _words(wish.text)}

        return await self._step(number, WITHDRAW, step, by)

    async def publish(self, number: int, by: Identity) -> Record:
        """Make what a request asks for live; return the publication."""

        def make() -> dict[str, Any]:
            request = self.get(number)
            self._check_passed(request)
            needed = self._needed(request)
            approvers = [each["by"] for each in request.approvals]
            if len(set(approvers)) < needed:
                raise PermissionDenied(
                    f"Request {request.id} has {len(set(approvers))} of {needed} approvals.",
                    hint=f"A reviewer must look at it: `workbench prompts approve {request.id}`.",
                    code="needs_approval",
                )
            evidence = request.evidence
            assert evidence is not None  # it has passed
            kept = {each: evidence["body"][each] for each in ("decision", "figures", "run_id", "run_started_at",
                                                              "preregistered", "registered_at")}  # fmt: skip
            live = self._live(request)
            return {
                "name": request.name,
                "alias": request.alias,
                **{each: request.body[each] for each in CONTENT if each in request.body},
                "evidence": {
                    **evidence["body"]["evidence"],
                    **kept,
                    "gates": request.body["gates"],
                    "gates_hash": request.body["gates_hash"],
                    "other_gates": self._other_gates(request),
                    "live_version": live["version"] if live else None,
                    "evidence_by": evidence["by"],
                },
                "reason": request.body["reason"],
                "request": request.id,
                "requested_by": request.first["by"],
                "approved_by": approvers,
                "self_approved_as_local_owner": any(
                    each["body"]["self_approved_as_local_owner"] for each in request.approvals
                ),
                "published_at": utc_now(),
                "published_by": by.name,
            }

        return await self._gateway.published.chain.append(make)

    # -- how -------------------------------------------------------------------------------------------------------

    def _all(self) -> dict[int, Request]:
        return self._by_number_and_version()[0]

    def _by_number_and_version(self) -> tuple[dict[int, Request], _ByVersion]:
        published = self._gateway.published
        records = published.chain.records
        known, found, versions = self._read
        if records is not known or not records:
            found = read_requests(published.of_kind(PUBLISH, *_KINDS))  # raises where nothing can be served
            versions = {}
            for each in found.values():
                versions.setdefault((each.name, each.body["hash"]), []).append(each)
            self._read = (records, found, versions)  # at once: who writes a record reads in a thread
        return found, versions

    async def _step(
        self,
        number: int,
        kind: str,
        step: Callable[[Request], Mapping[str, Any]],
        by: Identity,
        *,
        ended_too: bool = False,
    ) -> Request:
        known = self.get(number)

        def body() -> dict[str, Any]:
            request = self.get(number)
            if not ended_too:
                request.check_open()
            return {"request": number, **step(request)}

        await self._gateway.published.append(kind, known.name, body, by, alias=known.alias)
        return self.get(number)

    def _check_passed(self, request: Request) -> None:
        request.check_open()
        if request.evidence is None:
            raise Conflict(
                f"Request {request.id} has no evidence yet.",
                hint=f"Bring it: `workbench prompts gate {request.id} --evidence RUN`.",
                code="wrong_state",
            )
        request.check_base(self._live(request))
        if not request.evidence["body"]["passed"]:
            raise PromotionRefused(
                f"Request {request.id} did not pass its gate: {request.evidence['body']['decision']}."
            )

    def _needed(self, request: Request) -> int:
        return approvals_needed(self._gateway.settings, request.name, request.alias)

    def _live(self, request: Request) -> Record | None:
        return self._gateway.published.live(request.name, request.alias)

    def _registered_at(self, request: Request) -> str:
        """Return when the gate of a request was first written down for its prompt."""
        known = self._gateway.published.of_kind(GATE, REQUEST, name=request.name)
        return str(next(each["at"] for each in known if each["body"]["gates_hash"] == request.body["gates_hash"]))

    def _other_gates(self, request: Request) -> Sequence[dict[str, Any]]:
        """Return the other gates that were asked with for the same version before: rules that were changed."""
        return [
            {"request": each.id, "gates_hash": each.body["gates_hash"], "at": each.first["at"], "by": each.first["by"],
             "passed": None if each.evidence is None else each.evidence["body"]["passed"]}
            for each in self._by_number_and_version()[1][request.name, request.body["hash"]]
            if each.id < request.id and each.body["gates_hash"] != request.body["gates_hash"]
        ]  # fmt: skip


_KINDS = (REQUEST, EVIDENCE, COMMENT, APPROVE, REJECT, WITHDRAW)


def _event(record: Record) -> dict[str, Any]:
    if record.get("kind", PUBLISH) == PUBLISH:
        told = {"action": "publish", "by": record["published_by"], "at": record["published_at"], "text": ""}
    else:
        body = record["body"]
        text = body.get("text") or body.get("why") or body.get("decision") or body.get("reason") or ""
        told = {"action": record["kind"], "by": record["by"], "at": record["at"], "text": text}
    return {"seq": record["seq"], **told}


def _words(text: str) -> str:
    if len(text) > _LONGEST:
        raise InvalidInput(f"What is said is over {_LONGEST} characters.", hint="Shorten it.")
    return text.strip()
