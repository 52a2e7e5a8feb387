"""What an open gateway is made of, put together in one place and handed to whoever needs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from workbench.errors import WorkbenchError
from workbench.gateway.access.identities import Identities
from workbench.gateway.access.identity import Owner
from workbench.gateway.access.issuing import Issuer
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import REMEMBERED_SECONDS, KeyTable
from workbench.gateway.access.use_cases import UseCaseTable
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.deposits import all_kept
from workbench.gateway.admission.history import History
from workbench.gateway.admission.in_flight import InFlight
from workbench.gateway.admission.money_leases import MoneyLeases
from workbench.gateway.admission.raises import Raises
from workbench.gateway.admission.redis_limits import shared_limits
from workbench.gateway.admission.rules import Rules
from workbench.gateway.admission.shared import SharedCounters, limits_file
from workbench.gateway.alerts.alerts import Alerts
from workbench.gateway.audit.bodies import Recorder
from workbench.gateway.audit.elsewhere import Elsewhere
from workbench.gateway.audit.keeper import Keeper
from workbench.gateway.fairness.fairness import Fairness
from workbench.gateway.following import Follower
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.ledger.reports import Reports
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.notices import Notices
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.provider import Provider
from workbench.gateway.published.changes import Changes
from workbench.gateway.published.feedback import Feedback
from workbench.gateway.published.four_eyes import approvals_needed
from workbench.gateway.published.outcomes import OutcomeBook
from workbench.gateway.published.record import Published
from workbench.gateway.published.requests import Requests
from workbench.gateway.published.rollout_calls import RolloutCalls
from workbench.gateway.published.rollouts import Rollouts
from workbench.gateway.published.steering import Steering
from workbench.gateway.reloading import Reloader
from workbench.gateway.review.review import Review
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Models
from workbench.gateway.routing.registry import Registry
from workbench.gateway.state import State
from workbench.gateway.telemetry.metrics import Metrics, metrics_folder
from workbench.gateway.telemetry.traces import Traces, open_traces
from workbench.gateway.unified.catalogue import Catalogue
from workbench.gateway.unified.latencies import Latencies
from workbench.gateway.unified.objects.desk import Objects
from workbench.gateway.upstream import Upstream
from workbench.settings import Settings, load_settings


class Parts:
    """The rooms of one gateway. `open` and `close` are its life; between them nothing here changes but contents."""

    def __init__(
        self,
        settings: Settings,
        *,
        read: Callable[[], Settings] | None = None,
        worker: int | None = None,
        workers: int = 1,
    ) -> None:
        """Put a gateway together; `worker` is its number where it is one of several processes, `workers` how many."""
        limits = limits_file(settings.home, settings.gateway.port)
        counters = None if worker is None else SharedCounters(limits, worker=worker)
        self.upstream = Upstream(settings, counters=counters)
        self.stage = settings.gateway.stage
        self.state = State(settings.database_url)
        self.keys = KeyTable()
        self.owner = Owner(settings.home)
        self.use_cases = UseCaseTable()
        self.notices = Notices()
        self.fairness = Fairness(self.use_cases, lambda: self.settings.fairness, workers=workers)
        self.in_flight = InFlight()
        self.admission = Admission(self.keys, counters, use_cases=self.use_cases, notices=self.notices)
        self.key_store = KeyStore(self.state)
        self.issuer = Issuer(
            keys=self.keys,
            store=self.key_store,
            policy=settings.policy.exploration,
            revoked=self.in_flight.end_key,
            shared=settings.identity.shared,
            use_cases=self.use_cases,
            reviewed="review" in settings.model_fields_set,
        )
        self.spool = Spool(
            settings.home / "ledger", sync=settings.state.ledger_sync, when_full=settings.audit.when_full
        )
        self.recorder = Recorder(settings.audit, self.use_cases, shared=settings.identity.shared)
        self.keeper = Keeper(self, worker=worker)
        self.elsewhere = Elsewhere(self)
        self.money = MoneyLeases(self.state, self.spool, counting=self.admission.lock, stage=self.stage)
        self.shared_limits = shared_limits(settings)
        """The limits that replicas share; None: this gateway's are its own."""
        self.admission.deposits = self.money
        self.admission.lessors += [self.money] if self.shared_limits is None else [self.money, self.shared_limits]
        self.reports = Reports(self.spool.path)
        self.latencies = Latencies(self.spool.path)
        self.history = History(self.admission, self.reports)
        self.raises = Raises(self.state, self.admission)
        self.metrics = Metrics(self, folder=metrics_folder(settings.home, settings.gateway.port), worker=worker)
        self.published = Published(self.state)
        self.requests = Requests(self)
        self.rollouts = Rollouts(
            self.published, approvals=lambda name, alias: approvals_needed(self.settings, name, alias)
        )
        self.outcomes = OutcomeBook(self.state)
        self.rollout_calls = RolloutCalls(self.state)
        self.changes = Changes(self.published)
        self.feedback = Feedback(self.state, self.reports, self.rollout_calls)
        self.registry = Registry(self.state)
        self.review = Review(self)
        self.objects = Objects(self.state)
        self.reloader = Reloader(self, read or (lambda: load_settings(settings.file, home=settings.home)))
        self.follower = Follower(self)
        self.steering = Steering(self, worker=worker)
        self.alerts = Alerts(self, worker=worker)
        self.traces: Traces | None = None
        """Traces of calls, once it is open; None: nobody wants any."""
        self.identities = Identities(settings.identity, owner=self.owner, keys=self.keys, look=self.follower.look)
        self._alone = worker is None and settings.embedded and self.state.is_file
        self.failure: WorkbenchError | None = None
        """Why `open` failed."""

    # -- what a reload replaces; a call takes `upstream` once ---------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self.upstream.settings

    @property
    def models(self) -> Models:
        """The models that callers may name."""
        return self.upstream.models

    @property
    def providers(self) -> dict[str, Provider]:
        """The providers by name."""
        return self.upstream.providers

    @property
    def prices(self) -> PriceBook:
        """What models cost."""
        return self.upstream.prices

    @property
    def catalogue(self) -> Catalogue:
        """The models as callers see them."""
        return self.upstream.catalogue

    @property
    def health(self) -> Health:
        """How deployments are doing."""
        return self.upstream.health

    @property
    def client(self) -> HttpClient:
        """The HTTP client towards providers."""
        return self.upstream.client

    # -- the life of a gateway ----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open everything; raises WorkbenchError for what can't be opened."""
        try:
            await self._open()
        except WorkbenchError as error:
            self.failure = error
            raise

    async def _open(self) -> None:
        self.settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.settings.identity.takes_owner:
            self.owner.open()
        await asyncio.to_thread(self._open_databases)
        keys = await asyncio.to_thread(self.key_store.load, dead_since=time.time() - REMEMBERED_SECONDS)
        for key in keys:
            self.keys.put(key)
        self.spool.open()
        await self.keeper.open()
        await self.money.open(watch=not self._alone)
        if self.shared_limits is not None:
            await self.shared_limits.open()
        self.metrics.open()
        self.traces = await asyncio.to_thread(open_traces, self)
        if self.traces is not None:
            self.spool.listeners.append(self.traces.heard)
        await self.raises.catch_up()
        self.admission.kept = await asyncio.to_thread(all_kept, self.state)
        await self.history.begin(keys, Rules.from_settings(self.settings.admission.limits), self.use_cases)
        await self.upstream.open()
        self.registry.enter(self.upstream)
        self.alerts.open()
        self.steering.open()
        if not self._alone:
            self.follower.follow()

    async def close(self) -> None:
        """Close everything, the ledger last but for the database: no row is lost."""
        await self.follower.close()
        await self.steering.close()
        await self.alerts.close()
        await self.metrics.close()
        if self.traces is not None:
            await self.traces.close()
        await self.reloader.close()
        await self.upstream.close()
        await self.history.close()
        await self.identities.close()
        await self.keeper.stop()
        await asyncio.to_thread(self.spool.close)
        await asyncio.to_thread(self.keeper.close)
        await self.money.close()
        if self.shared_limits is not None:
            await self.shared_limits.close()
        await asyncio.to_thread(self.state.close)

    def _open_databases(self) -> None:
        self.state.open()
        self.follower.begin()
        self.published.open()
        self.review.open()
        self.registry.open()
        self.objects.open()
        self.recorder.open(self.state.secret("bodies"))
