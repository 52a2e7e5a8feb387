"""Choose among the models of a catalogue: which ones fit, and in which order, with the reasons in words. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.wire.money import usd_text

if TYPE_CHECKING:
    import pandas as pd

_MILLION = 1_000_000
_SEARCHED = ("id", "description", "provider", "task", "region")
_COST_WEIGHT, _LATENCY_WEIGHT, _CONTEXT_WEIGHT = 0.55, 0.3, 0.15
_UNKNOWN = 0.5
"""What counts for a model of which a figure is not known: neither the best nor the worst."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Wish:
    """What a model must be; None or empty: anything."""

    task: str | None = None
    """What it does: chat, embedding, image, transcription, speech, moderation or rerank."""
    modality: str | None = None
    """What it must read or write: text, image, pdf, audio, video."""
    max_price: float | None = None
    """US dollars per million input tokens."""
    min_context: int | None = None
    """Tokens of a prompt that it must take."""
    region: str | None = None
    """Where it must run."""
    provider: str | None = None
    """Who must serve it."""
    search: str | None = None
    """Words that must all stand in its name, description, provider or features."""
    max_cost: float | None = None
    """US dollars that a usual call may cost."""
    max_latency: float | None = None
    """Seconds in which half of the calls must have been answered."""
    input_tokens: int = 1000
    """Input tokens of a usual call."""
    output_tokens: int = 300
    """Output tokens of a usual call."""

    def against(self, row: Row) -> str | None:
        """Return why a model does not fit; None if it does."""
        told = row.get("catalogue") or {}
        checks = (self._kind(told), self._place(told), self._text(row, told), self._money(told), self._pace(told))
        return next((why for why in checks if why is not None), None)

    def _kind(self, told: Row) -> str | None:
        if self.task is not None and told.get("task") != self.task:
            return f"it is for {told.get('task')}"
        modalities = told.get("modalities") or {}
        known = [*modalities.get("input", []), *modalities.get("output", [])]
        if self.modality is not None and self.modality not in known:
            return f"it does not know {self.modality}"
        context = told.get("context_tokens")
        if self.min_context is not None and (context is None or context < self.min_context):
            return "nobody knows how much it reads" if context is None else f"it reads only {context:,} tokens"
        return None

    def _place(self, told: Row) -> str | None:
        regions = told.get("regions") or [told.get("region")]
        if self.region is not None and self.region not in regions:
            return f"it runs in {', '.join(str(one or 'an unnamed region') for one in regions)}"
        providers = {place["provider"] for place in told.get("deployments", [])} or {told.get("provider")}
        if self.provider is not None and self.provider not in providers:
            return f"{', '.join(sorted(map(str, providers)))} serves it"
        return None

    def _text(self, row: Row, told: Row) -> str | None:
        words = [told.get(name) or row.get(name) or "" for name in _SEARCHED]
        text = " ".join([*map(str, words), *(told.get("features") or [])]).lower()
        missing = [word for word in (self.search or "").lower().split() if word not in text]
        return f"nothing of it says {', '.join(missing)}" if missing else None

    def _money(self, told: Row) -> str | None:
        price, cost = told.get("price"), cost_of(told, self)
        if self.max_price is not None and (price is None or price["input"] > self.max_price):
            return "nobody knows its price" if price is None else f"its input costs {price['input']:g} USD a million"
        if self.max_cost is not None and (cost is None or cost > self.max_cost):
            return "nobody knows its price" if cost is None else f"a call costs {dollars(cost)}"
        return None

    def _pace(self, told: Row) -> str | None:
        seen = (told.get("latency") or {}).get("p50_ms")
        if self.max_latency is not None and (seen is None or seen > self.max_latency * 1000):
            return "no call of it was seen lately" if seen is None else f"half its calls took {_seconds(seen)} or more"
        return None


@dataclass(frozen=True)
class Recommendation:
    """A model that fits, and why it stands where it stands."""

    model: str
    """Its name."""
    score: float
    """From 0 to 1: cheap, fast and roomy beside the others that fit."""
    cost_per_call_usd: float | None
    """What a usual call costs."""
    p50_ms: float | None
    """Half of its calls were answered in that time."""
    context_tokens: int | None
    """Most tokens of a prompt."""
    reasons: list[str]
    """In words."""


@dataclass(frozen=True)
class Advice:
    """Which models to take, the best first, and why not the others."""

    wish: Wish
    """What was asked for."""
    models: list[Recommendation] = field(default_factory=list)
    """Those that fit."""
    left_out: dict[str, str] = field(default_factory=dict)
    """The others: name and reason."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        return str(self.table().to_html())

    def table(self) -> pd.DataFrame:
        """Return the models that fit as a table, a row each."""
        import pandas as pd  # noqa: PLC0415 - only a table needs it

        rows = [{**asdict(one), "reasons": "; ".join(one.reasons)} for one in self.models]
        return pd.DataFrame(rows, columns=list(Recommendation.__dataclass_fields__))


def fitting(rows: Iterable[Row], wish: Wish) -> list[Row]:
    """Return the models of a catalogue that fit a wish, in their order."""
    return [row for row in rows if wish.against(row) is None]


def recommend(rows: Iterable[Row], wish: Wish) -> Advice:
    """Rank the models that fit a wish: by cost of a usual call, by latency seen, by how much they read."""
    fit: list[Row] = []
    left_out: dict[str, str] = {}
    for row in rows:
        why = _end_of(row) or wish.against(row)
        if why is None:
            fit.append(row)
        else:
            left_out[str(row["id"])] = why
    costs = [cost_of(row["catalogue"], wish) for row in fit]
    paces = [_latency(row) for row in fit]
    contexts = [row["catalogue"].get("context_tokens") for row in fit]
    low_cost, low_pace, high_context = _standing(costs), _standing(paces), _standing(contexts)
    found = []
    for number, row in enumerate(fit):
        score = (
            _COST_WEIGHT * low_cost[number]
            + _LATENCY_WEIGHT * low_pace[number]
            + _CONTEXT_WEIGHT * (1 - high_context[number] if contexts[number] is not None else _UNKNOWN)
        )
        found.append(
            Recommendation(
                model=str(row["id"]),
                score=round(score, 4),
                cost_per_call_usd=costs[number],
                p50_ms=paces[number],
                context_tokens=contexts[number],
                reasons=_reasons(row, wish, costs[number], cheapest=_least(costs), fastest=_least(paces)),
            )
        )
    return Advice(wish, sorted(found, key=lambda one: (-one.score, one.model)), left_out)


def cost_of(told: Row, wish: Wish) -> float | None:
    """Return what a usual call costs in US dollars; None where the price is not known."""
    price = told.get("price")
    if price is None:
        return None
    tokens = wish.input_tokens * price["input"] + wish.output_tokens * price["output"]
    return float(tokens / _MILLION + (price.get("image") or 0.0) + (price.get("call") or 0.0))


def dollars(usd: float) -> str:
    """Return a small amount so that people can read it."""
    return "nothing" if usd == 0 else usd_text(usd)


def _end_of(row: Row) -> str | None:
    told = row.get("catalogue") or {}
    if not told.get("allowed", True):
        return "the key may not use it"
    if not told.get("deprecated"):
        return None
    after = f"; its successor is {told['successor']}" if told.get("successor") else ""
    return f"it is deprecated since {told['deprecated_on']}{after}"


def _latency(row: Row) -> float | None:
    return (row["catalogue"].get("latency") or {}).get("p50_ms")


def _least(figures: list[float | None]) -> float | None:
    return min((figure for figure in figures if figure is not None), default=None)


def _standing(figures: list[float | None]) -> list[float]:
    """Return 1 for the lowest and 0 for the highest, by orders of magnitude; what is not known stands between."""
    logs = [None if figure is None else math.log10(max(figure, 1e-9)) for figure in figures]
    known = [log for log in logs if log is not None]
    if not known or max(known) - min(known) < 1e-9:
        return [_UNKNOWN if log is None else 1.0 for log in logs]
    width = max(known) - min(known)
    return [_UNKNOWN if log is None else (max(known) - log) / width for log in logs]


def _reasons(row: Row, wish: Wish, cost: float | None, *, cheapest: float | None, fastest: float | None) -> list[str]:
    told = row["catalogue"]
    reasons = []
    if cost is None:
        reasons.append("nobody knows its price")
    else:
        said = f"a call of {wish.input_tokens:,} tokens in and {wish.output_tokens:,} out costs {dollars(cost)}"
        if cost == cheapest:
            said += ", the least of all that fit"
        elif wish.max_cost:
            said += f", {cost / wish.max_cost:.0%} of what it may cost"
        reasons.append(said)
    latency = told.get("latency")
    if latency is None:
        reasons.append("no call of it was seen lately")
    else:
        said = (
            f"half of {latency['calls']:,} calls took {_seconds(latency['p50_ms'])}, 95 % {_seconds(latency['p95_ms'])}"
        )
        if latency.get("first_token_p50_ms") is not None:
            said += f", the first token {_seconds(latency['first_token_p50_ms'])}"
        reasons.append(said + (", the fastest" if latency["p50_ms"] == fastest else ""))
    if told.get("context_tokens"):
        reasons.append(f"reads {told['context_tokens']:,} tokens")
    reads = [one for one in (told.get("modalities") or {}).get("input", []) if one != "text"]
    if reads:
        reasons.append(
            f"reads {', '.join(reads)} too" if "text" in told["modalities"]["input"] else f"reads {reads[0]}"
        )
    if told.get("regions"):
        reasons.append(f"runs in {', '.join(told['regions'])}")
    if told.get("deprecated_on"):
        after = f", then {told['successor']}" if told.get("successor") else ""
        reasons.append(f"lasts until {told['deprecated_on']}{after}")
    return reasons


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2g} s"
