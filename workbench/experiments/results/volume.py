"""What the same calls would cost at a volume on each model that has a price, for runs on models that cost nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.errors import InvalidInput
from workbench.experiments.cells.price import Price, listed_price
from workbench.experiments.results.run_info import RunInfo
from workbench.experiments.results.summary import mean_of

if TYPE_CHECKING:
    from workbench.client import Gateway

MILLION = 1_000_000
COLUMNS = ["candidate", "model", "usd_a_call", "usd", "low", "high", "n", "unit", "units"]


def listed_prices(gateway: Gateway) -> dict[str, Price]:
    """Return the price of each chat model that the gateway lists with one, those that cost nothing aside."""
    found = {str(row["model"]): listed_price(row) for row in gateway.models(task="chat").to_dict("records")}
    return {name: price for name, price in found.items() if price is not None and price != Price(0.0, 0.0)}


def cost_of_volume(
    cells: pd.DataFrame, candidates: Sequence[RunInfo], calls: int, prices: Mapping[str, Price]
) -> pd.DataFrame:
    """Return one row a candidate and model; see `Experiment.cost_at`."""
    if not prices:
        raise InvalidInput(
            "No chat model with a price is listed, so there is nothing to multiply with.",
            hint="Give models a price in workbench.toml, or pass prices={'model': (input, output)} in USD per million.",
        )
    good = cells[cells["error"].isna()]
    if good[["input_tokens", "output_tokens"]].isna().to_numpy().any():
        raise InvalidInput("Some answers tell no tokens, so nobody knows what they would cost elsewhere.")
    rows: list[dict[str, Any]] = []
    for candidate in candidates:
        for model, price in prices.items():
            usd = [price.of(*tokens) for tokens in zip(good["input_tokens"], good["output_tokens"], strict=True)]
            mean = mean_of(good.assign(usd=usd), "usd", candidate.name, least=0.0)
            rows.append(
                {
                    "candidate": candidate.name,
                    "model": model,
                    "usd_a_call": mean["usd"],
                    "usd": mean["usd"] * calls,
                    "low": mean["usd.low"] * calls,
                    "high": mean["usd.high"] * calls,
                    "n": mean["usd.n"],
                    "unit": mean["usd.unit"],
                    "units": mean["usd.units"],
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["candidate", "usd"], kind="stable", ignore_index=True)
