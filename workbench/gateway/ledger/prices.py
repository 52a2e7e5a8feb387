"""What is known of deployments and of providers' own models: the settings first, then the public price table.

The table is read at start, and only if something but local models is configured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from workbench.gateway.ledger.price_table import Entry, PriceTable
from workbench.gateway.ledger.rate import MILLION, Rate, TokenPrices
from workbench.gateway.routing.models import Deployment
from workbench.settings import Price

_MOST_REMEMBERED = 1000
_LOCAL = Entry(rate=Rate(TokenPrices(0.0, 0.0, 0.0, 0.0), source="local"))


class PriceBook:
    """Prices and limits of the configured deployments, and of what callers name at a provider itself."""

    def __init__(self) -> None:
        self._known: dict[Deployment, Entry] = {}
        self._named: dict[tuple[str, str, str, str | None, Price | None], Entry] = {}
        self._table = PriceTable({}, None)

    def load(self, deployments: Iterable[Deployment], *, more: bool = False) -> None:
        """Look up every deployment; with `more`, callers will name others.

        Blocks for some ten milliseconds where the table is needed.
        """
        deployments = list(deployments)
        if more or any(deployment.kind != "local" for deployment in deployments):
            self._table = PriceTable.read()
        self._known = {deployment: self._look_up(deployment) for deployment in deployments}

    def of(self, deployment: Deployment) -> Entry:
        """Return what is known of a deployment, or of a provider's model that is not configured."""
        known = self._known.get(deployment)
        if known is not None:
            return known
        place = (deployment.kind, deployment.provider, deployment.model, deployment.region, deployment.price)
        known = self._named.get(place)
        if known is None:
            known = self._look_up(deployment)
            if len(self._named) >= _MOST_REMEMBERED:  # names come from callers
                self._named.clear()
            self._named[place] = known
        return known

    def _look_up(self, deployment: Deployment) -> Entry:
        if deployment.kind == "local":
            return _LOCAL
        entry = self._table.find(
            kind=deployment.kind, provider=deployment.provider, model=deployment.model, region=deployment.region
        )
        return entry if deployment.price is None else replace(entry, rate=_rate_from_settings(deployment.price))


def _rate_from_settings(price: Price) -> Rate:
    cached = price.input if price.cached_input is None else price.cached_input
    tokens = TokenPrices(
        input=price.input / MILLION,
        output=price.output / MILLION,
        cached_input=cached / MILLION,
        cache_write=price.input / MILLION,
    )
    return Rate(tokens, source="settings")
