"""How far a ledger and an invoice are apart, by model: the names of both are brought together first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_EDITION = re.compile(r"[-@](20\d\d-?\d\d-?\d\d|latest)(-v\d+(:\d+)?)?$|-v\d+:\d+$")
_PLACE = re.compile(r"^(?:us-gov|us|eu|apac|ap|au|jp|ca|sa|global)\.")
_WORD = re.compile(r"[a-z]+|\d+")
_NO_WORDS = frozenset({"v"})


@dataclass(frozen=True)
class Drift:
    """One model, on one day or on all."""

    day: str
    """The day; empty for all."""
    model: str
    """The provider's name of the model."""
    ledger_usd: float
    """What the ledger has."""
    invoice_usd: float
    """What the provider charges."""

    @property
    def usd(self) -> float:
        """How much more the provider charges than the ledger has."""
        return self.invoice_usd - self.ledger_usd

    @property
    def share(self) -> float | None:
        """The same, as a share of the invoice; None where that has nothing."""
        return self.usd / self.invoice_usd if self.invoice_usd else None

    def beyond(self, tolerance: float, *, least_usd: float) -> bool:
        """Tell whether it is more than a share, and more than is worth a look."""
        return abs(self.usd) > max(least_usd, tolerance * abs(self.invoice_usd))


def drifts(
    ledger: Mapping[tuple[str, str], float],
    invoice: Iterable[tuple[str, str, float]],
    names: Mapping[str, str],
) -> list[Drift]:
    """Return the drift of each day and model.

    `ledger` has US dollars by day and the provider's name of a model, `invoice` day, name and US dollars; `names` says
    which model a name on the invoice means, where that is not plain.
    """
    ours: defaultdict[tuple[str, str], float] = defaultdict(float)
    for (day, model), usd in ledger.items():
        ours[day, plain(model)] += usd
    known = {model for _, model in ours}
    theirs: defaultdict[tuple[str, str], float] = defaultdict(float)
    for day, name, usd in invoice:
        theirs[day, plain(names[name]) if name in names else meant(name, known)] += usd
    return [Drift(*place, ours.get(place, 0.0), theirs.get(place, 0.0)) for place in sorted({*ours, *theirs})]


def total(found: Iterable[Drift]) -> Drift:
    """Return the sum of several."""
    found = list(found)
    return Drift("", "total", sum(one.ledger_usd for one in found), sum(one.invoice_usd for one in found))


def plain(model: str) -> str:
    """Return a model's name without the day of its edition, its version, and the place where it runs."""
    return _EDITION.sub("", _PLACE.sub("", model.strip().lower()))


def meant(name: str, known: Iterable[str]) -> str:
    """Return the model that a line of an invoice means: by its name, or as all its words stand in the line."""
    first = plain(name.partition(", ")[0])  # OpenAI adds what was counted: `gpt-4o-mini-2024-07-18, input`
    known = set(known)
    if first in known:
        return first
    words = set(_WORD.findall(name.lower()))
    fitting = [model for model in known if (mine := _words(model)) and mine <= words]
    return max(fitting, key=lambda model: (len(_words(model)), model), default=first or "(no name)")


def _words(model: str) -> set[str]:
    """Return the words of a model's name, its vendor aside."""
    return set(_WORD.findall(model.rpartition("/")[2].removeprefix("anthropic.").removeprefix("amazon."))) - _NO_WORDS
