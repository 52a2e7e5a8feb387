"""Which models fit a wish, in which order, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.client.answers import read_models
from workbench.client.models import Wish, fitting, recommend


def row(name: str, *, price: float | None = 1.0, p50: float | None = None, **told: Any) -> dict[str, Any]:
    catalogue = {
        "task": "chat",
        "modalities": {"input": ["text"], "output": ["text"]},
        "context_tokens": 8000,
        "price": None if price is None else {"input": price, "output": 2 * price, "image": 0.0},
        "provider": "acme",
        "regions": ["eu"],
        "latency": None if p50 is None else {"calls": 9, "p50_ms": p50, "p95_ms": 2 * p50, "first_token_p50_ms": None},
        "deployments": [{"provider": "acme"}],
        "deprecated": False,
        "deprecated_on": None,
        "successor": None,
        "allowed": True,
        **told,
    }
    return {"id": name, "object": "model", "owned_by": "acme", "catalogue": catalogue}


FIFTY = [row(f"model-{number:02}", price=0.1 * (number + 1), p50=100.0 + number) for number in range(50)]


def names(rows: list[Any]) -> list[str]:
    return [one["id"] for one in rows]


@pytest.mark.parametrize(
    ("wish", "fits"),
    [
        (Wish(), ["large", "sees", "vectors"]),
        (Wish(task="chat"), ["large", "sees"]),
        (Wish(modality="image"), ["sees"]),
        (Wish(min_context=100_000), ["large"]),
        (Wish(region="us"), ["sees"]),
        (Wish(provider="other"), ["large"]),
        (Wish(max_price=0.5), ["vectors"]),
        (Wish(search="MENU tools"), ["sees"]),
        (Wish(max_latency=0.5), ["large"]),
    ],
)
def test_a_wish_leaves_out_what_does_not_fit(wish: Wish, fits: list[str]) -> None:
    rows = [
        row("large", context_tokens=200_000, deployments=[{"provider": "other"}], p50=400.0),
        row(
            "sees",
            modalities={"input": ["text", "image"], "output": ["text"]},
            regions=["us"],
            description="Reads menus",
            features=["tools"],
        ),
        row("vectors", task="embedding", price=0.1),
    ]
    assert names(fitting(rows, wish)) == fits


def test_of_fifty_models_the_cheapest_that_is_not_slow_comes_first() -> None:
    advice = recommend(FIFTY, Wish(task="chat", max_cost=0.005))
    assert advice.models[0].model == "model-00"
    assert len(advice.models) + len(advice.left_out) == 50
    assert all(one.cost_per_call_usd is not None and one.cost_per_call_usd <= 0.005 for one in advice.models)
    assert advice.left_out["model-49"] == "a call costs 0.0080 USD"


def test_its_reasons_are_words_with_figures() -> None:
    (best, _) = recommend([row("fast", p50=800.0), row("dear", price=9.0)], Wish(max_cost=1.0)).models
    assert best.model == "fast"
    assert best.reasons == [
        "a call of 1,000 tokens in and 300 out costs 0.0016 USD, the least of all that fit",
        "half of 9 calls took 0.8 s, 95 % 1.6 s, the fastest",
        "reads 8,000 tokens",
        "runs in eu",
    ]


def test_a_faster_one_comes_before_one_that_costs_the_same() -> None:
    advice = recommend([row("slow", p50=5000.0), row("quick", p50=300.0)], Wish())
    assert [one.model for one in advice.models] == ["quick", "slow"]


def test_a_model_past_its_day_is_never_recommended_and_its_successor_is_named() -> None:
    old = row("old", price=0.0, deprecated=True, deprecated_on="2026-01-01", successor="new")
    advice = recommend([old, row("new")], Wish())
    assert [one.model for one in advice.models] == ["new"]
    assert advice.left_out == {"old": "it is deprecated since 2026-01-01; its successor is new"}


def test_what_nobody_knows_the_price_of_fits_no_limit_and_says_so_without_one() -> None:
    rows = [row("free", price=0.0), row("mystery", price=None)]
    assert recommend(rows, Wish(max_cost=1.0)).left_out == {"mystery": "nobody knows its price"}
    advice = recommend(rows, Wish())
    assert "nobody knows its price" in next(one for one in advice.models if one.model == "mystery").reasons
    assert advice.models[0].reasons[0].startswith("a call of 1,000 tokens in and 300 out costs nothing")


def test_a_usual_call_may_be_described() -> None:
    (one,) = recommend([row("m", price=2.0)], Wish(input_tokens=10_000, output_tokens=0)).models
    assert one.cost_per_call_usd == pytest.approx(0.02)


def test_the_table_of_models_and_the_one_of_advice_have_a_row_each() -> None:
    assert list(read_models({"data": FIFTY}, Wish(max_price=0.35))["model"]) == ["model-00", "model-01", "model-02"]
    table = recommend(FIFTY, Wish(max_price=0.35)).table()
    assert list(table["model"]) == ["model-00", "model-01", "model-02"]
    assert "costs" in table["reasons"][0]


def test_nothing_fits_an_empty_catalogue() -> None:
    advice = recommend([], Wish())
    assert (advice.models, advice.left_out) == ([], {})
    assert advice.table().empty
