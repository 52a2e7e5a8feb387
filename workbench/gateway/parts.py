"""What an open gateway is made of, put together in one place and handed to whoever needs it."""

from __future__ import annotations

import asyncio
import time

from workbench.errors import WorkbenchError
from workbench.gateway.access.identity import Owner
from workbench.gateway.access.issuing import Issuer
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import KeyTable
from workbench.gateway.admission.in_flight import InFlight
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.ledger.reports import Reports
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.kinds import make_provider
from workbench.gateway.providers.provider import Provider
from workbench.gateway.published.feedback import Feedback
from workbench.gateway.published.record import Published
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Models
from workbench.gateway.state import State
from workbench.gateway.unified.catalogue import Catalogue
from workbench.settings import Settings


class Parts:
    """The rooms of one gateway. `open` and `close` are its life; between them nothing here changes but contents."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stage = settings.gateway.stage
        self.state = State(settings.database_url)
        self.keys = KeyTable()
        self.owner = Owner(settings.home)
        self.in_flight = InFlight()
        self._store = KeyStore(self.state)
        self.issuer = Issuer(
            keys=self.keys, store=self._store, policy=settings.policy.exploration, revoked=self.in_flight.end_key
        )
        self.spool = Spool(settings.home / "ledger", sync=settings.state.ledger_sync)
        self.reports = Reports(self.spool.path)
        self.prices = PriceBook()
        self.models = Models.from_settings(settings)
        self.health = Health(settings.routing, self.models.deployments())
        self.catalogue = Catalogue(self.models, self.prices, since=int(time.time()))
        self.published = Published(self.state)
        self.feedback = Feedback(self.state, self.reports)
        self.client = HttpClient(settings.gateway.timeouts)
        self.providers: dict[str, Provider] = {}
        self.failure: WorkbenchError | None = None
        """Why `open` failed."""

    async def open(self) -> None:
        """Open everything; raises WorkbenchError for what can't be opened."""
        try:
            await self._open()
        except WorkbenchError as error:
            self.failure = error
            raise

    async def _open(self) -> None:
        self.settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.owner.open()
        await asyncio.to_thread(self._open_databases)
        for key in await asyncio.to_thread(self._store.load):
            self.keys.put(key)
        self.spool.open()
        await self.client.open()
        self.providers = {
            name: make_provider(name, provider, settings=self.settings, client=self.client)
            for name, provider in self.settings.providers.items()
        }

    async def close(self) -> None:
        """Close everything, the ledger last but for the database: no row is lost."""
        await asyncio.gather(*(provider.close() for provider in self.providers.values()))
        await self.client.close()
        await asyncio.to_thread(self.spool.close)
        await asyncio.to_thread(self.state.close)

    def _open_databases(self) -> None:
        self.state.open()
        self.published.open()
        others = any(provider.kind != "local" for provider in self.settings.providers.values())
        self.prices.load(self.models.deployments(), more=others)
