"""Whether a call may start now: the one desk where calls, tokens and money of each subject are counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from time import monotonic_ns
from types import MappingProxyType
from typing import Any

from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS
from workbench.gateway.access.use_cases import UseCase, UseCaseTable
from workbench.gateway.admission.cells import Counters, OwnCounters, OwnLock
from workbench.gateway.admission.convoys import Convoys
from workbench.gateway.admission.gauge import Gauge
from workbench.gateway.admission.leased import Deposits, Lessors
from workbench.gateway.admission.measured import Measured, Sized
from workbench.gateway.admission.purse import Threshold, picodollars
from workbench.gateway.admission.rate_headers import Header, rate_headers
from workbench.gateway.admission.rules import Rules
from workbench.gateway.admission.standing import standing, standing_for_caller
from workbench.gateway.admission.subject import KINDS, Raise, Subject, SubjectKind, Terms
from workbench.gateway.admission.telling import Teller
from workbench.gateway.admission.ticket import FREE, HeldTicket, Ticket
from workbench.gateway.ledger.reports import Spent
from workbench.gateway.notices import Notices

_FEW = 1000
_MOST_NAMED = 8000
_NOTHING_HELD: Mapping[Gauge, int] = MappingProxyType({})
"""Subjects that rules may give counters of their own; all others of a rule share one, lest invented names fill it."""
SpentBy = Mapping[SubjectKind, Mapping[str, Spent]]
"""What the ledger has of subjects, by kind and name."""
_Gauges = tuple[Gauge, ...]


class Admission:
    """The gauges of all subjects that are held to something; a call of others passes at the cost of one look."""

    def __init__(
        self,
        keys: KeyTable,
        counters: Counters | None = None,
        *,
        use_cases: UseCaseTable | None = None,
        notices: Notices | None = None,
    ) -> None:
        self._keys = keys
        self._use_cases = use_cases or UseCaseTable()
        self._counters = counters or OwnCounters()
        self.lock = self._counters.lock
        """Held while calls are counted, of however many subjects."""
        self.convoys: Convoys | None = None
        """Calls that are let in by the block; None: other processes count here, too."""
        if isinstance(self.lock, OwnLock):
            self.convoys = Convoys(self)
            self.lock.first = self.convoys.book
        self.teller = Teller(notices or Notices())
        """Lets somebody hear of what happens here."""
        self.holds_places = False
        """Whether any model or provider is held to something."""
        self.bounds_models = False
        """Whether any model has a budget."""
        self.deposits: Deposits | None = None
        """Who keeps money for what is paid later; None: it is kept in memory alone."""
        self.kept: Mapping[Subject, int] = {}
        """What was kept already when this process began, in picodollars."""
        self.lessors: list[Lessors] = []
        """Who leases to each gauge what this process may use of it, where others use it, too."""
        self._rules = Rules()
        self._raises: dict[Subject, tuple[Raise, ...]] = {}
        self._spent: dict[SubjectKind, dict[str, Spent]] = {}
        self._gauges: dict[str, Gauge] = {}
        self._named = 0
        self._prune_at = _FEW
        self._found: dict[str, tuple[Key, _Gauges]] = {}
        self._models: dict[str, _Gauges] = {}
        self._providers: dict[str, _Gauges] = {}

    # -- who is held to what -----------------------------------------------------------------------------------------

    def load(self, keys: Iterable[Key], spent: Mapping[str, Spent]) -> None:
        """Hold keys to their limits, with what their accounts have spent so far."""
        for key in keys:
            self.hold_to(key, spent=spent.get(key.account))

    def hold_to(self, key: Key, *, spent: Spent | None = None, go_on: bool = False) -> None:
        """Hold a key and all of its line to its limits and budget as they are now.

        `spent` is what the ledger has of a line that was held to nothing before; what is counted already stays. With
        `go_on` the admin lets a line go on that was stopped.
        """
        self._found.pop(key.id, None)
        gauge = self._gauges.get(key.account)
        if gauge is not None:
            with self.lock:
                gauge.hold_to(self._raised(self._terms_of(key)), go_on=go_on)
        elif is_held(key):
            self._gauge(self._terms_of(key), spent)
            if len(self._gauges) >= self._prune_at:
                self._prune()
                self._prune_at = max(_FEW, 2 * len(self._gauges))

    def hold_use_case(self, use_case: UseCase, *, spent: Spent | None = None) -> bool:
        """Hold a use case to its limits and budget as they are now; return whether it is counted from now on only.

        `spent` is as with keys.
        """
        self._found.clear()
        terms = _terms_of_use_case(use_case)
        known = terms.row in self._gauges
        if not (known or terms.binding):
            return False
        return self._gauge(terms, spent).fresh and not known

    def counts(self, account: str) -> bool:
        """Tell whether a line of keys is counted here already."""
        return account in self._gauges

    def add_history(self, use_case: str, spent: Spent) -> None:
        """Add what a use case had used before it was counted."""
        gauge = self._gauges[Terms(Subject("use_case", use_case)).row]
        with self.lock:
            gauge.add_history(spent)

    def rule(self, rules: Rules, spent: SpentBy) -> None:
        """Hold everybody to the rules of a configuration; `spent` is what the ledger has of those they are about."""
        for kind in rules.kinds():
            if not self._rules.about(kind):
                self._spent[kind] = dict(spent.get(kind, {}))
        self._rules = rules
        self.holds_places = rules.about("model") or rules.about("provider")
        self.bounds_models = rules.bounds("model")
        self._forget_found()

    def raise_budgets(self, raises: Iterable[Raise]) -> None:
        """Let temporary raises hold, and no others."""
        by_subject: dict[Subject, tuple[Raise, ...]] = {}
        for one in raises:
            by_subject[one.subject] = (*by_subject.get(one.subject, ()), one)
        self._raises = by_subject
        with self.lock:
            for gauge in self._gauges.values():
                terms = self._raised(gauge.terms)
                if terms is not gauge.terms:
                    gauge.hold_to(terms)
        self._forget_found()

    def subject(self, kind: SubjectKind, name: str) -> Subject:
        """Return a subject by its name, which of a key may be that of any in its line."""
        key = self._keys.get(name) if kind == "key" else None
        return Subject(kind, name if key is None else key.account)

    def terms_of(self, subject: Subject) -> list[Terms]:
        """Return all that a subject is held to."""
        terms = []
        if subject.kind == "key" and (key := self._keys.head(subject.name)) is not None:
            terms.append(self._terms_of(key))
        elif subject.kind == "use_case" and (use_case := self._use_cases.get(subject.name)) is not None:
            terms.append(_terms_of_use_case(use_case))
        return [self._raised(one) for one in (*terms, *self._rules.of(subject)) if one.binding]

    # -- the way of a call -------------------------------------------------------------------------------------------

    def admit(self, key: Key, question: Measured | Sized) -> Ticket:
        """Let a call begin; raises LimitExceeded, which says when to come back."""
        found = self._found.get(key.id)
        gauges = found[1] if found is not None and found[0] is key else self._find(key)
        if not (gauges or self.holds_places):
            return FREE
        model: str = getattr(question, "model", "") if self.holds_places else ""
        if self.convoys is not None and (ticket := self.convoys.begin(key.id, gauges, model, question)) is not None:
            return ticket
        if self.holds_places:
            gauges = (*gauges, *self.of_model(model))
        return HeldTicket(self, gauges, question, key_id=key.id, model=model)

    def of_model(self, name: str) -> _Gauges:
        """Return what holds calls of a model."""
        found = self._models.get(name)
        if found is None:
            found = self._models[name] = self._of(Subject("model", name)) if name else ()
        return found

    def of_place(self, provider: str, model: str | None) -> _Gauges:
        """Return what holds calls that a provider answers, on behalf of a model where one is named."""
        found = self._providers.get(provider)
        if found is None:
            found = self._providers[provider] = self._of(Subject("provider", provider))
        return (*found, *self.of_model(model)) if model else found

    def headers(self, key: Key, model: str | None = None) -> list[Header]:
        """Return the `x-ratelimit-*` headers of a call that was not let in."""
        found = self._found.get(key.id)
        gauges = found[1] if found is not None else ()
        if self.holds_places and model:
            gauges = (*gauges, *self.of_model(model))
        return rate_headers(gauges, self.lock, monotonic_ns()) if gauges else []

    def left(self, key: Key) -> dict[str, float]:
        """Return what is left of each limit and of each part of the budget of a key's line itself."""
        gauge = self._gauges.get(key.account)
        if gauge is None:
            return {}
        with self.lock:
            return gauge.left(monotonic_ns())

    def shadow_refusals(self) -> dict[str, int]:
        """Return how many calls limits in shadow mode would have refused, by the kind of their subjects."""
        counts: dict[str, int] = {}
        for gauge in self._gauges.values():
            if count := gauge.shadow_refusals:
                counts[gauge.terms.subject.kind] = counts.get(gauge.terms.subject.kind, 0) + count
        return counts

    def all(self, *, models: Iterable[str], providers: Iterable[str]) -> list[dict[str, Any]]:
        """Return how every subject stands that is held to something, of those that are known."""
        for key in self._keys.live():
            self._find(key)
        for model in models:
            self.of_model(model)
        for provider in providers:
            self.of_place(provider, None)
        gauges = sorted(
            self._gauges.values(), key=lambda gauge: (KINDS.index(gauge.terms.subject.kind), gauge.terms.row)
        )
        with self.lock:
            return [standing(gauge, monotonic_ns()) for gauge in gauges]

    def holding(self, key: Key, *, models: Iterable[str], providers: Iterable[str]) -> list[dict[str, Any]]:
        """Return how everything stands that may refuse a call of a key, for its holder."""
        gauges = [
            *self._find(key),
            *(gauge for model in models for gauge in self.of_model(model)),
            *(gauge for provider in providers for gauge in self.of_place(provider, None)),
        ]
        with self.lock:
            return [standing_for_caller(gauge, monotonic_ns()) for gauge in gauges if not gauge.terms.shadow]

    # -- what is paid later ------------------------------------------------------------------------------------------

    async def deposit(self, due_id: str, held: Mapping[Gauge, int]) -> bool:
        """Keep for a thing that has begun what a call holds for it; return False where that is kept already.

        Raises Unavailable.
        """
        if self.deposits is not None and not await self.deposits.deposit(due_id, held):
            return False
        with self.lock:
            for gauge, amount in held.items():
                gauge.deposit(amount)
        return True

    def paying(self, key: Key | None, subjects: Iterable[Subject]) -> list[Gauge]:
        """Return what holds a key, if there still is one, and the subjects: who pays for what has ended."""
        gauges = dict.fromkeys(self._find(key) if key is not None else ())
        for subject in subjects:
            gauges.update(dict.fromkeys(self._of(subject)))
        whose = {*subjects, *(gauge.terms.subject for gauge in gauges)}
        gauges.update((gauge, None) for gauge in self._gauges.values() if gauge.terms.subject in whose)
        return list(gauges)

    async def withdraw(self, due_id: str, gauges: Collection[Gauge]) -> dict[Gauge, int]:
        """Hold here what is kept for a thing that has ended, until it is charged or deposited again.

        Returns who holds how much, in picodollars. Raises Unavailable.
        """
        if self.deposits is None:
            return {}
        held = await self.deposits.withdraw(due_id, gauges)
        with self.lock:
            for gauge, amount in held.items():
                gauge.withdraw(amount)
        return held

    def charge(self, gauges: Iterable[Gauge], cost_usd: float, held: Mapping[Gauge, int] = _NOTHING_HELD) -> None:
        """Book what has ended, in the place of what is held for it."""
        passed: list[tuple[Terms, Threshold]] = []
        with self.lock:
            for gauge in gauges:
                gauge.charge(picodollars(cost_usd), held=held.get(gauge, 0))
                if gauge.binds_money:
                    passed += [(gauge.terms, threshold) for threshold in gauge.purse.warnings()]
        for terms, threshold in passed:
            self.teller.threshold(terms, threshold)

    def stop(self, key: Key, *, cost_usd: float, held_usd: float) -> None:
        """Stop a key for which a provider billed more than was held, as far as it has a budget of its own."""
        gauge = self._gauges.get(key.account)
        if gauge is not None and gauge.binds_money:
            with self.lock:
                gauge.stop()
            self.teller.overrun(key.id, cost_usd=cost_usd, held_usd=held_usd)

    # -- gauges ------------------------------------------------------------------------------------------------------

    def _find(self, key: Key) -> _Gauges:
        """Return what holds the calls of a key, wherever they go."""
        if len(self._found) >= self._prune_at:
            self._found.clear()
        gauges = [self._gauge(self._terms_of(key))] if is_held(key) or key.account in self._gauges else []
        use_case = self._use_cases.get(key.use_case)
        if use_case is not None:
            terms = _terms_of_use_case(use_case)
            gauges += [self._gauge(terms)] if terms.binding or terms.row in self._gauges else []
        gauges += self._of(Subject("key", key.account))
        if key.use_case:
            gauges += self._of(Subject("use_case", key.use_case))
        gauges += self._of(Subject("user", key.owner))
        found = tuple(gauges)
        self._found[key.id] = (key, found)
        return found

    def _terms_of(self, key: Key) -> Terms:
        """Return what the line of a key is held to: what its newest one says, and stopped if any of them is."""
        line = self._keys.line(key.account)
        newest = line[-1] if line and line[-1].created_at > key.created_at else key
        stopped = any(one.stopped is not None for one in (key, *line))
        return Terms(Subject("key", key.account), newest.limits, newest.budget, stopped=stopped)

    def _of(self, subject: Subject) -> _Gauges:
        """Return the gauges of the rules that a subject is held to."""
        return tuple(self._gauge(terms) for terms in self._rules.of(subject))

    def _gauge(self, terms: Terms, spent: Spent | None = None) -> Gauge:
        terms = self._raised(terms)
        gauge = self._gauges.get(terms.row)
        if gauge is None and terms.rule is not None:
            if self._named >= _MOST_NAMED:
                terms = replace(terms, subject=Subject(terms.subject.kind, "any other"))
                gauge = self._gauges.get(terms.row)
            self._named += gauge is None
        if gauge is None:
            kind, name = terms.subject
            known = self._spent.get(kind, {}).get(name) if spent is None else spent
            gauge = self._gauges[terms.row] = Gauge(terms, self._counters, known)
            if gauge.fresh:
                gauge.purse.deposited = self.kept.get(terms.subject, 0)
            for lessor in self.lessors:
                lessor.attach(gauge)
        elif gauge.terms != terms:
            with self.lock:
                gauge.hold_to(terms)
        return gauge

    def _raised(self, terms: Terms) -> Terms:
        """Return terms with the raises that hold now."""
        raises = self._raises.get(terms.subject, ())
        return terms if terms.raises == raises else replace(terms, raises=raises)

    def _forget_found(self) -> None:
        with self.lock:  # no block outlives what it was taken of
            pass
        self._found.clear()
        self._models.clear()
        self._providers.clear()

    def _prune(self) -> None:
        for row, gauge in list(self._gauges.items()):
            kind, name = gauge.terms.subject
            if kind != "key":
                continue
            if self._keys.head(name) is None:
                del self._gauges[row]
                for lessor in self.lessors:
                    lessor.detach(gauge)
                with self.lock:
                    self._counters.forget(row)
        self._found.clear()


def is_held(key: Key) -> bool:
    """Tell whether a key is held to anything of its own, or of its line."""
    return key.limits != NO_LIMITS or key.budget != NO_BUDGET or key.stopped is not None


def _terms_of_use_case(use_case: UseCase) -> Terms:
    return Terms(
        Subject("use_case", use_case.name), use_case.limits, use_case.budget, when_exhausted=use_case.when_exhausted
    )
