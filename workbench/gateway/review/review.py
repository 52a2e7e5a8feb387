"""The review of use cases: its verbs, each kept with who, when and why before it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from workbench.errors import InvalidInput, NotFound, PermissionDenied
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.issuing import Issued, KeyWish, ScopesWish
from workbench.gateway.notices import Notice
from workbench.gateway.review import decisions
from workbench.gateway.review.acknowledging import Acknowledging
from workbench.gateway.review.completeness import check_complete, check_shape
from workbench.gateway.review.grant import GrantWish
from workbench.gateway.review.people import check_owner, check_sees, is_reviewer, may_see
from workbench.gateway.review.policy import Policy
from workbench.gateway.review.projection import Projection
from workbench.gateway.review.record import Event, Record, follow
from workbench.gateway.review.rfc import Rfc, RfcChange
from workbench.gateway.review.states import State, next_state
from workbench.gateway.review.store import Step, UseCaseStore

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_LONGEST_LIFE = 100 * 366 * 86400
_MOST_KEYS = 10_000
_DECIDED: tuple[State, ...] = ("approved", "retired")
"""States that the way of a call knows of."""
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Patterns = Annotated[list[_Line], msgspec.Meta(min_length=1, max_length=1000)]
Words = Annotated[str, msgspec.Meta(max_length=5000, pattern=r"^[^\x00]*$")]


class SubmitWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /use-cases/{name}/submit`."""

    why: Words = ""
    acknowledge: str | None = None
    """The version of the text on risks that is acknowledged hereby."""
    projection: Projection | None = None


class UseCaseKeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /use-cases/{name}/keys`; scopes that are left out are those that were approved."""

    note: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*$")] = ""
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=_LONGEST_LIFE)] | None = None
    models: _Patterns | None = None
    providers: _Patterns | None = None
    paths: _Patterns | None = None


class Review:
    """Use cases on their way from draft to retirement."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._store = UseCaseStore(gateway.state)
        self._known: Policy | None = None
        self.acknowledging = Acknowledging(self._store, keys=gateway.keys, policy=lambda: self.policy)

    @property
    def policy(self) -> Policy:
        """What is configured now."""
        settings = self._gateway.settings
        if self._known is None or self._known.settings is not settings:
            self._known = Policy(settings)
        return self._known

    # -- what the way of a call sees -----------------------------------------------------------------------------------

    def open(self) -> None:
        """Read back what was decided. Blocks."""
        for record in self._store.all(states=_DECIDED):
            self._enter(record)

    async def catch_up(self) -> None:
        """Take over what other processes have decided."""
        for record in await asyncio.to_thread(self._store.all, states=_DECIDED):
            self._enter(record)

    def _enter(self, record: Record) -> None:
        if record.grant is not None and record.state in _DECIDED:
            retired = record.state == "retired"
            use_case = record.grant.use_case(record.name, record.owner, retired=retired)
            if self._gateway.use_cases.get(record.name) != use_case:
                self._gateway.use_cases.put(use_case)

    # -- looking -------------------------------------------------------------------------------------------------------

    async def all(self, identity: Identity, *, state: State | None, limit: int) -> list[Record]:
        """Return the use cases that somebody may see, those that were changed last first."""
        found = await asyncio.to_thread(self._store.all, states=None if state is None else (state,))
        return [record for record in found if may_see(identity, record, self.policy)][:limit]

    async def get(self, name: str, identity: Identity) -> Record:
        """Return a use case; raises NotFound, also where it is not for whom asks."""
        record = await asyncio.to_thread(self._store.get, name)
        check_sees(identity, record, self.policy)
        return record

    async def events(self, name: str) -> list[Event]:
        """Return what happened to a use case."""
        return await asyncio.to_thread(self._store.events, name)

    async def keys(self, name: str) -> list[dict[str, Any]]:
        """Return what may be told of the keys of a use case, newest first."""
        pages = self._gateway.key_store.page
        return [
            key.as_dict()
            for key in await asyncio.to_thread(pages, limit=_MOST_KEYS, after=None, owner=None, use_case=name)
        ]

    # -- the owner's verbs ---------------------------------------------------------------------------------------------

    async def draft(self, rfc: Rfc, identity: Identity) -> Record:
        """Begin a use case; raises InvalidInput, or Conflict for a name that is taken."""
        check_shape(rfc, self.policy)
        owner = rfc.owner or identity.name
        _check_named(owner, identity)
        at = self._gateway.keys.now()
        record = Record(
            rfc=msgspec.structs.replace(rfc, owner=owner), owner=owner, state="draft", created_at=at,
            created_by=identity.name, updated_at=at, hands=[identity.name],
        )  # fmt: skip
        event = Event(
            number=1, action="create", by=identity.name, source=identity.source, at=at, before=None, after="draft",
            details={"rfc": msgspec.to_builtins(record.rfc)},
        )  # fmt: skip
        await asyncio.to_thread(self._store.add, record, event)
        return record

    async def edit(self, name: str, identity: Identity, change: RfcChange) -> Record:
        """Change the RFC while it is its owner's turn."""
        policy, at = self.policy, self._gateway.keys.now()

        def step(record: Record) -> tuple[Record, Event]:
            check_sees(identity, record, policy)
            check_owner(identity, record)
            state = next_state("edit", record.state, name=name)
            rfc = change.apply(record.rfc)
            check_shape(rfc, policy)
            owner = rfc.owner or record.owner
            if owner != record.owner:
                _check_named(owner, identity)
            # A projection holds for the volume that it was made for.
            projection = record.projection if rfc.volume == record.rfc.volume else None
            return follow(
                record, action="edit", by=identity, state=state, at=at, details=msgspec.to_builtins(change.given()),
                rfc=rfc, owner=owner, projection=projection, hands=_with(record.hands, identity),
            )  # fmt: skip

        return await self._change(name, step)

    async def submit(self, name: str, identity: Identity, wish: SubmitWish) -> Record:
        """Hand the RFC to the reviewers; raises InvalidInput with all that it lacks."""
        policy, at = self.policy, self._gateway.keys.now()
        models = self._gateway.models

        def step(record: Record) -> tuple[Record, Event]:
            check_sees(identity, record, policy)
            check_owner(identity, record)
            state = next_state("submit", record.state, name=name)
            check_complete(record.rfc, policy, models, owner=record.owner)
            if wish.projection is not None:
                wish.projection.check(record.rfc.volume.calls_per_day or 0)
            projection = wish.projection or record.projection
            version = None if policy.risk_text is None else policy.risk_version
            return follow(
                record, action="submit", by=identity, state="escalated" if record.escalated_to else state, at=at,
                why=wish.why, details={"risk_version": version, "projection": msgspec.to_builtins(projection)},
                risk_version=version, projection=projection, hands=_with(record.hands, identity),
            )  # fmt: skip

        step(await asyncio.to_thread(self._store.get, name))  # nothing is acknowledged where it can't be submitted
        if wish.acknowledge is not None:
            await self.acknowledging.acknowledge(identity, wish.acknowledge)
        await self.acknowledging.check(identity)
        record = await self._change(name, step)
        self._tell(record, f"{identity.name} has submitted use case {name}.")
        return record

    async def key(self, name: str, identity: Identity, wish: UseCaseKeyWish) -> Issued:
        """Issue a production key within what was approved."""
        policy = self.policy

        def check(record: Record) -> State:
            check_sees(identity, record, policy)
            check_owner(identity, record)
            return next_state("key", record.state, name=name, escalated_to=record.escalated_to)

        record = await asyncio.to_thread(self._store.get, name)
        check(record)
        await self.acknowledging.check(identity)
        assert record.grant is not None
        self._enter(record)  # another process may have approved it just now
        scopes = record.grant.scopes(models=wish.models, providers=wish.providers, paths=wish.paths)
        issued = await self._gateway.issuer.issue(
            KeyWish(
                kind="production", owner=identity.name, use_case=name, note=wish.note, expires_in=wish.expires_in,
                scopes=ScopesWish(**scopes.as_dict()),
            ),
            identity,
        )  # fmt: skip
        self._gateway.admission.hold_to(issued.key)
        at = self._gateway.keys.now()
        try:  # it may have been retired meanwhile
            await self._change(
                name,
                lambda now: follow(
                    now, action="key", by=identity, state=check(now), at=at, why=wish.note,
                    details={"key": issued.key.id, "scopes": issued.key.scopes.as_dict()},
                ),
            )  # fmt: skip
        except BaseException:
            await asyncio.shield(self._gateway.issuer.end(issued.key.id))
            raise
        return issued

    async def comment(self, name: str, identity: Identity, text: str) -> Record:
        """Say something about a use case."""
        _check_said(text, "text")
        policy, at = self.policy, self._gateway.keys.now()

        def step(record: Record) -> tuple[Record, Event]:
            check_sees(identity, record, policy)
            return decisions.comment(record, identity, text=text, at=at)

        return await self._change(name, step)

    async def retire(self, name: str, identity: Identity, *, why: str) -> Record:
        """End a use case; its keys die everywhere, and its calls in flight with them."""
        _check_said(why, "why")
        policy, at = self.policy, self._gateway.keys.now()

        def step(record: Record) -> tuple[Record, Event]:
            check_sees(identity, record, policy)
            if not is_reviewer(identity):
                check_owner(identity, record)
            state = next_state("retire", record.state, name=name, escalated_to=record.escalated_to)
            return follow(record, action="retire", by=identity, state=state, at=at, why=why)

        record = await self._change(name, step, ends_keys=True)
        known = (self._gateway.keys.get(key["id"]) for key in await self.keys(name))
        await self._gateway.issuer.revoke_all([key for key in known if key is not None and key.revoked_at is None])
        return record

    # -- the reviewers' verbs ------------------------------------------------------------------------------------------

    async def approve(self, name: str, identity: Identity, wish: GrantWish) -> Record:
        """Approve; where that is enough, what was granted is in force when this returns."""
        _check_said(wish.why, "why")
        if isinstance(wish.when_exhausted, str):
            self._check_model(wish.when_exhausted)
        policy, at = self.policy, self._gateway.keys.now()
        record = await self._decide(name, identity, lambda now: decisions.approve(now, identity, policy, wish, at=at))
        if record.state == "approved":
            self._tell(record, f"Use case {name} is approved.")
        return record

    async def amend(self, name: str, identity: Identity, wish: GrantWish) -> Record:
        """Change how much an approved use case gets; in force when this returns."""
        _check_said(wish.why, "why")
        if isinstance(wish.when_exhausted, str):
            self._check_model(wish.when_exhausted)
        policy, at = self.policy, self._gateway.keys.now()
        return await self._decide(name, identity, lambda now: decisions.amend(now, identity, policy, wish, at=at))

    async def reject(self, name: str, identity: Identity, *, why: str) -> Record:
        """Say no for good."""
        _check_said(why, "why")
        policy, at = self.policy, self._gateway.keys.now()
        return await self._decide(name, identity, lambda now: decisions.reject(now, identity, policy, why=why, at=at))

    async def request_changes(self, name: str, identity: Identity, *, why: str) -> Record:
        """Give it back to its owner."""
        _check_said(why, "why")
        policy, at = self.policy, self._gateway.keys.now()
        return await self._decide(
            name, identity, lambda now: decisions.request_changes(now, identity, policy, why=why, at=at)
        )

    async def escalate(self, name: str, identity: Identity, *, to: str | None, why: str) -> Record:
        """Hand the decision to a governance group."""
        _check_said(why, "why")
        policy, at = self.policy, self._gateway.keys.now()
        record = await self._decide(
            name, identity, lambda now: decisions.escalate(now, identity, policy, to=to, why=why, at=at)
        )
        self._tell(record, f"Use case {name} was escalated to {record.escalated_to}.")
        return record

    async def _decide(self, name: str, identity: Identity, step: Step) -> Record:
        policy = self.policy

        def seen(record: Record) -> tuple[Record, Event]:
            check_sees(identity, record, policy)
            return step(record)

        return await self._change(name, seen)

    # -- all of them ---------------------------------------------------------------------------------------------------

    async def _change(self, name: str, step: Step, *, ends_keys: bool = False) -> Record:
        record: Record = await asyncio.to_thread(self._store.change, name, step, ends_keys=ends_keys)
        self._enter(record)
        return record

    def _check_model(self, name: str) -> None:
        try:
            self._gateway.models.get(name)
        except NotFound as error:
            raise InvalidInput(error.message, hint=error.hint, param="when_exhausted") from error

    def _tell(self, record: Record, text: str) -> None:
        self._gateway.notices.tell(
            Notice(
                kind="use_case", once=f"use_case:{record.name}:{record.revision}", text=text,
                details={"use_case": record.name, "state": record.state, "owner": record.owner},
            )
        )  # fmt: skip


def _with(hands: list[str], identity: Identity) -> list[str]:
    return hands if identity.name in hands else [*hands, identity.name]


def _check_said(text: str, field: str) -> None:
    if not text.strip():
        raise InvalidInput(f"{field} is empty.", hint="Say why: it stays in the record.", param=field)


def _check_named(owner: str, identity: Identity) -> None:
    if owner != identity.name and "admin" not in identity.roles:
        raise PermissionDenied(
            f"{identity.name} can't make {owner[:80]} the owner of a use case.",
            hint=f"Leave `owner` out, or have an admin do it; {owner[:80]} may draft it too.",
        )
