"""What stands behind the gateway: models, providers, prices and their health, as one configuration says.

A reload replaces it whole. A call takes the reference once, so that it ends on what it began with.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from workbench.gateway.admission.cells import Counters
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.kinds import make_provider
from workbench.gateway.providers.provider import Provider
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Models
from workbench.gateway.unified.catalogue import Catalogue
from workbench.settings import Settings, resolve_credential


class Upstream:
    """The part of a gateway that a reload replaces; nothing in it changes once it is open, but registered models."""

    def __init__(self, settings: Settings, *, before: Upstream | None = None, counters: Counters | None = None) -> None:
        """Read a configuration; `counters` are those that several workers share."""
        self.settings = settings
        self.models = Models.from_settings(settings)
        self.prices = PriceBook(settings.prices)
        self.health: Health = Health(
            settings.routing,
            self.models.deployments(),
            counters=counters,
            before=before.health if before else None,
            changed=before.changed_providers(settings) if before else (),
        )
        self.since: int = before.since if before else int(time.time())
        """Second of the epoch at which the gateway began."""
        self.catalogue = Catalogue(self.models, self.prices, since=self.since)
        self.providers: dict[str, Provider] = {}
        self.client = HttpClient(settings.gateway.timeouts)
        self._before = before
        self._secrets: dict[str, str | None] = {}

    def changed_providers(self, settings: Settings) -> set[str]:
        """Return the providers that another configuration describes in other words."""
        mine = self.settings.providers
        return {name for name, provider in settings.providers.items() if mine.get(name) != provider}

    async def open(self) -> None:
        """Make the providers and look up the prices; raises WorkbenchError, with nothing left open."""
        before, self._before = self._before, None
        others = any(provider.kind != "local" for provider in self.settings.providers.values())
        await asyncio.to_thread(self.prices.load, self.models.deployments(), more=others)
        self.catalogue.open()
        if before is not None and before.settings.gateway.timeouts == self.settings.gateway.timeouts:
            self.client = before.client
        else:
            await self.client.open()
        try:
            self._make_providers(before if before is not None and before.client is self.client else None)
        except BaseException:
            await self.close(but=before)
            raise

    def _make_providers(self, before: Upstream | None) -> None:
        """Make each provider, or go on with the one before it where nothing of it changed, its secret included."""
        for name, provider in self.settings.providers.items():
            credential = provider.credential
            held = credential is not None and credential.holds_secret
            secret = resolve_credential(credential, folder=self.settings.folder) if credential and held else None
            self._secrets[name] = secret
            if (
                before is not None
                and before.settings.providers.get(name) == provider
                and before._secrets.get(name) == secret  # noqa: SLF001 - another of its kind
            ):
                self.providers[name] = before.providers[name]
            else:
                self.providers[name] = make_provider(name, provider, settings=self.settings, client=self.client)

    async def close(self, *, but: Upstream | None = None) -> None:
        """Let go of everything that `but` does not use."""
        kept: Iterable[Provider] = but.providers.values() if but is not None else ()
        kept_ids = {id(provider) for provider in kept}
        await asyncio.gather(*(p.close() for p in self.providers.values() if id(p) not in kept_ids))
        if but is None or but.client is not self.client:
            await self.client.close()
