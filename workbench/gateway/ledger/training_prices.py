"""What it costs to tune a model, in US dollars per million tokens: the public price table does not tell.

Source: OpenAI's price page. Settings say otherwise by `training` of a price.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PRICES: Mapping[str, float] = {
    "gpt-4.1": 25.0,
    "gpt-4.1-mini": 5.0,
    "gpt-4.1-nano": 1.5,
    "gpt-4o": 25.0,
    "gpt-4o-mini": 3.0,
    "gpt-3.5-turbo": 8.0,
    "davinci-002": 6.0,
    "babbage-002": 0.4,
}
_EDITION = re.compile(r"-(20\d\d-\d\d-\d\d|\d{4})$")


def training_price(model: str) -> float | None:
    """Return the price of tuning a model, whatever its edition; one that was tuned costs what its base does."""
    base = model.split(":")[1] if model.startswith("ft:") and model.count(":") else model
    return _PRICES.get(base) or _PRICES.get(_EDITION.sub("", base))
