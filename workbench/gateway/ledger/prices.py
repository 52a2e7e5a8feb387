"""What is known of deployments and of providers' own models: the settings first, then the public price table.

The table is read at start, and only if something but local models is configured. Rates are made once for a deployment;
where the settings give it prices that hold from a day on, a call has the one of its time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from time import time

from workbench.gateway.ledger.price_table import Entry, PriceTable, share_of
from workbench.gateway.ledger.rate import MILLION, NO_EXTRAS, Extras, Rate, TokenPrices
from workbench.gateway.ledger.training_prices import training_price
from workbench.gateway.routing.models import Deployment
from workbench.gateway.times import utc_now
from workbench.settings import DatedPrice, Price

_MOST_REMEMBERED = 1000
_NOTHING = TokenPrices(0.0, 0.0, 0.0, 0.0)
_LOCAL = Entry(rate=Rate(_NOTHING, source="local"))
_Place = tuple[str, str, str, str | None, Price | None, float | None]


class PriceBook:
    """Prices and limits of the configured deployments, and of what callers name at a provider itself."""

    def __init__(self, dated: Sequence[DatedPrice] = ()) -> None:
        """Make a book; `dated` are the prices that hold from a day on."""
        self._dated = dated
        self._known: dict[Deployment, Entry] = {}
        self._named: dict[_Place, Entry] = {}
        self._table = PriceTable({}, None)
        self.read_at = time()
        """When the prices were read, in seconds since the epoch."""

    def load(self, deployments: Iterable[Deployment], *, more: bool = False) -> None:
        """Look up every deployment; with `more`, callers will name others.

        Blocks for some ten milliseconds where the table is needed.
        """
        deployments = list(deployments)
        if more or any(deployment.kind != "local" for deployment in deployments):
            self._table = PriceTable.read()
        self._known = {deployment: self._look_up(deployment) for deployment in deployments}
        self.read_at = time()

    def of(self, deployment: Deployment, at: str | None = None) -> Entry:
        """Return what is known of a deployment, or of a provider's model that is not configured, at a time."""
        known = self._known.get(deployment)
        if known is None:
            known = self._named_one(deployment)
        return known.at(at or utc_now()) if known.later else known

    def to_come(self, deployment: Deployment) -> list[Entry]:
        """Return what is known of a deployment now, and from each later day on that the settings name."""
        now = utc_now()
        known = self._known.get(deployment) or self._named_one(deployment)
        return [known.at(now), *(entry for since, entry in known.later if since > now)]

    def history(self, deployment: Deployment) -> list[tuple[str | None, Rate]]:
        """Return the prices of a deployment in their order, each with the day that it holds from; None: ever since."""
        known = self._known.get(deployment) or self._named_one(deployment)
        told = [(None, known), *known.later]
        return [(since, entry.rate) for since, entry in told if entry.rate is not None]

    def _named_one(self, deployment: Deployment) -> Entry:
        place = (
            deployment.kind, deployment.provider, deployment.model, deployment.region, deployment.price,
            deployment.reserved_usd_per_hour,
        )  # fmt: skip
        known = self._named.get(place)
        if known is None:
            known = self._look_up(deployment)
            if len(self._named) >= _MOST_REMEMBERED:  # names come from callers
                self._named.clear()
            self._named[place] = known
        return known

    def _look_up(self, deployment: Deployment) -> Entry:
        if deployment.kind == "local" and deployment.reserved_usd_per_hour is None:
            return _LOCAL
        entry = self._table.find(
            kind=deployment.kind, provider=deployment.provider, model=deployment.model, region=deployment.region
        )
        if deployment.reserved_usd_per_hour is not None:
            return replace(entry, rate=_reserved(deployment.reserved_usd_per_hour))
        if deployment.price is not None:
            entry = replace(entry, rate=_rate_from_settings(deployment.price))
        elif entry.rate is not None:
            entry = replace(entry, rate=_with_training(entry.rate, deployment.model))
        later = sorted(self._of_settings(deployment), key=lambda dated: dated.since)
        return replace(
            entry,
            later=tuple(
                (dated.since.isoformat(), replace(entry, rate=_rate_from_settings(dated, since=dated.since)))
                for dated in later
            ),
        )

    def _of_settings(self, deployment: Deployment) -> Iterable[DatedPrice]:
        """Yield the dated prices that a deployment has; one with a price of its own only those that spell it out.

        A place that is asked for no model has none, whatever a pattern fits: batches, jobs and files are not calls.
        """
        for dated in self._dated if deployment.model else ():
            by_name = dated.model == deployment.model
            if (by_name or (deployment.price is None and fnmatchcase(deployment.model, dated.model))) and fnmatchcase(
                deployment.provider, dated.provider
            ):
                yield dated


def _reserved(usd_per_hour: float) -> Rate:
    return Rate(_NOTHING, source="reserved", version=f"reserved@{usd_per_hour:g}/h", usd_per_hour=usd_per_hour)


def _with_training(rate: Rate, model: str) -> Rate:
    price = training_price(model)
    return rate if price is None else replace(rate, extras=replace(rate.extras, training_token=price / MILLION))


def _rate_from_settings(price: Price, *, since: date | None = None) -> Rate:
    cached = price.input if price.cached_input is None else price.cached_input
    write = price.input if price.cache_write is None else price.cache_write
    tokens = TokenPrices(
        input=price.input / MILLION,
        output=price.output / MILLION,
        cached_input=cached / MILLION,
        cache_write=write / MILLION,
        cache_write_1h=_per_token(price.cache_write_1h),
    )
    extras = Extras(
        reasoning_token=_per_token(price.reasoning),
        audio_input_token=_per_token(price.audio_input),
        audio_output_token=_per_token(price.audio_output),
        image_input_token=_per_token(price.image_input),
        image_output_token=_per_token(price.image_output),
        training_token=_per_token(price.training),
        image=price.image,
        second=price.second,
        character=price.characters / MILLION,
        query=price.query,
        call=price.call,
    )
    rate = Rate(tokens, "settings", _version(price, since), extras=NO_EXTRAS if extras == NO_EXTRAS else extras)
    return replace(rate, grades={"batch": share_of(rate, price.batch)})


def _version(price: Price, since: date | None) -> str:
    """Return a name that another price has not, nor the same one from another day on."""
    told = price.model_dump_json(exclude={"provider", "model", "since"})
    mark = hashlib.sha256(told.encode()).hexdigest()[:8]
    return f"settings-{mark}" if since is None else f"settings-{since.isoformat()}-{mark}"


def _per_token(price: float | None) -> float | None:
    return None if price is None else price / MILLION
