"""Prices from the public table: found under each provider's names, and equal to what litellm itself makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.gateway.ledger.price_table import Entry, PriceTable
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.ledger.rate import Extras, Rate, TokenPrices
from workbench.gateway.routing.models import Deployment
from workbench.wire.usage import Usage


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return PriceTable.read()


def find(table: PriceTable, kind: str, model: str, region: str | None = None) -> Entry:
    return table.find(kind=kind, provider="p", model=model, region=region)


def rate_of(table: PriceTable, kind: str, model: str, region: str | None = None) -> Rate:
    rate = find(table, kind, model, region).rate
    assert rate is not None
    return rate


@pytest.mark.parametrize(
    ("kind", "model", "same_as"),
    [
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", ("openai", "ft:gpt-4o-mini-2024-07-18")),
        ("gemini", "models/gemini-2.5-pro", ("gemini", "gemini-2.5-pro")),
        ("vertex", "publishers/google/models/gemini-2.5-flash", ("vertex", "gemini-2.5-flash")),
        ("bedrock", "apac.amazon.titan-embed-text-v2:0", ("bedrock", "amazon.titan-embed-text-v2:0")),
        ("bedrock", "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
         ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")),
        ("litellm", "azure/gpt-4o-mini", ("azure", "gpt-4o-mini")),
    ],
)  # fmt: skip
def test_a_model_is_found_under_each_of_its_names(
    table: PriceTable, kind: str, model: str, same_as: tuple[str, str]
) -> None:
    assert find(table, kind, model).rate is not None
    assert find(table, kind, model) == find(table, *same_as)


def test_another_kinds_entry_is_nobodys_price(table: PriceTable) -> None:
    assert find(table, "anthropic", "gpt-4o-mini") == Entry()
    assert find(table, "openai_compatible", "gpt-4o-mini") == Entry()
    assert find(table, "gemini", "gpt-4o-mini") == Entry()
    assert find(table, "openai", "no such model") == Entry()


def test_a_regions_own_price_comes_first(table: PriceTable) -> None:
    assert (
        rate_of(table, "azure", "gpt-4o-mini", "eu").tokens.input > rate_of(table, "azure", "gpt-4o-mini").tokens.input
    )
    assert rate_of(table, "azure", "gpt-4o-mini", "nowhere") == rate_of(table, "azure", "gpt-4o-mini")


def test_a_long_prompt_has_the_price_of_its_tier(table: PriceTable) -> None:
    rate = rate_of(table, "gemini", "gemini-2.5-pro")
    at, above = rate.cost(Usage(200_000, 100)), rate.cost(Usage(200_001, 100))
    assert at == pytest.approx(200_000 * rate.tokens.input + 100 * rate.tokens.output)
    assert above > 1.9 * at
    assert rate.most(Usage(200_000, 100)) < rate.most(Usage(200_001, 100))


@pytest.mark.parametrize(
    ("kind", "model", "usage", "usd"),
    [
        ("bedrock", "amazon.titan-image-generator-v2:0", Usage(images=3), 0.024),
        ("gemini", "imagen-3.0-generate-001", Usage(images=2), 0.08),
        ("openai", "gpt-image-1", Usage(images=1), 0.25),
        ("openai", "gpt-image-1", Usage(10, 1000, images=1), 10 * 5e-6 + 1000 * 4e-5),
        ("openai", "gpt-image-1", Usage(10, 1000, images=1, image_input_tokens=4), 6 * 5e-6 + 4 * 1e-5 + 1000 * 4e-5),
        ("azure", "dall-e-3", Usage(images=1), 7.19343e-08 * 1024 * 1792),
        ("openai", "whisper-1", Usage(audio_seconds=90.0), 0.009),
        ("openai", "tts-1", Usage(characters=1000), 0.015),
        ("bedrock", "cohere.rerank-v3-5:0", Usage(queries=2), 0.004),
        ("openai", "gpt-4o-transcribe", Usage(100, 20, audio_seconds=10.0), 100 * 2.5e-6 + 20 * 1e-5),
        ("openai", "gpt-4o-transcribe", Usage(audio_seconds=10.0), 0.001),
    ],
)
def test_what_is_no_token_has_its_price(table: PriceTable, kind: str, model: str, usage: Usage, usd: float) -> None:
    rate = rate_of(table, kind, model)
    assert rate.cost(usage) == pytest.approx(usd)
    assert not rate.free
    assert rate.most(usage) >= rate.cost(usage)


@pytest.mark.parametrize(
    ("kind", "model", "litellm_model", "litellm_provider"),
    [
        ("openai", "gpt-4o-mini", "gpt-4o-mini", "openai"),
        ("openai", "o3", "o3", "openai"),
        ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5", "anthropic"),
        ("azure", "gpt-4o-mini", "azure/gpt-4o-mini", "azure"),
        ("gemini", "gemini-2.5-pro", "gemini/gemini-2.5-pro", "gemini"),
        ("vertex", "gemini-2.5-flash", "gemini-2.5-flash", "vertex_ai"),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "bedrock"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "usage", [Usage(1000, 500), Usage(250_000, 2000), Usage(5000, 10, 4000), Usage(9000, 10, 0, 8000)]
)
def test_tokens_cost_what_litellm_says(
    table: PriceTable, monkeypatch: pytest.MonkeyPatch,
    kind: str, model: str, litellm_model: str, litellm_provider: str, usage: Usage,
) -> None:  # fmt: skip
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    counted: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }
    expected = sum(litellm.cost_per_token(litellm_model, custom_llm_provider=litellm_provider, **counted))
    assert rate_of(table, kind, model).cost(usage) == pytest.approx(expected)


def test_the_most_covers_every_kind_of_token() -> None:
    plain = TokenPrices(input=1.0, output=2.0, cached_input=0.1, cache_write=1.25)
    long = TokenPrices(input=3.0, output=4.0, cached_input=0.3, cache_write=3.75)
    rate = Rate(plain, "settings", extras=Extras(audio_output_token=9.0), tiers={100: long})
    assert rate.most(Usage(10, 1)) == pytest.approx(10 * 1.25 + 9.0)
    assert rate.most(Usage(101, 1)) == pytest.approx(101 * 3.75 + 9.0)
    assert rate.cost(Usage(10, 1, audio_output_tokens=1)) == pytest.approx(10 + 9.0)


def test_a_model_that_no_deployment_names_is_priced_when_it_is_asked_for() -> None:
    book = PriceBook()
    book.load([], more=True)
    native = Deployment(provider="p", kind="openai", model="gpt-4o-mini", region=None, capacity="on_demand", price=None)
    rate = book.of(native).rate
    assert rate is not None
    assert rate.source == "price_book"
    assert book.of(native) is book.of(native)
