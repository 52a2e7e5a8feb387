"""From which day on callers are told that a model is deprecated."""

from __future__ import annotations

from datetime import UTC, date, datetime

from workbench.gateway.ledger.model_facts import facts_of
from workbench.gateway.unified.deprecations import Deprecations


def at(text: str) -> Deprecations:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    return Deprecations(clock=lambda: moment)


def test_callers_are_told_from_the_day_on_and_not_before() -> None:
    days = {"old": (date(2027, 1, 31), "new")}
    before, then = at("2027-01-30T23:59:59"), at("2027-01-31T00:00:00")
    before.load(days)
    then.load(days)
    assert before.of("old") is None
    assert then.of("old") == "Model 'old' is deprecated since 2027-01-31: use 'new'."
    assert then.of("new") is None
    assert then.of(None) is None


def test_without_a_successor_they_are_told_how_to_find_one() -> None:
    told = at("2030-01-01T00:00:00")
    told.load({"old": (date(2027, 1, 31), None)})
    assert "workbench models recommend" in (told.of("old") or "")


def test_what_the_table_tells_of_a_model_is_read_and_what_is_no_fact_is_left() -> None:
    facts = facts_of(
        {
            "supports_vision": True, "supports_pdf_input": True, "supports_function_calling": True,
            "supports_reasoning": False, "source": "https://example.com/model", "deprecation_date": "2026-09-30",
            "supported_output_modalities": ["text"],
        }
    )  # fmt: skip
    assert facts.reads == ("text", "image", "pdf")
    assert facts.writes == ("text",)
    assert facts.features == ("tools",)
    assert facts.reference == "https://example.com/model"
    assert facts.deprecated_on == date(2026, 9, 30)
    odd = facts_of({"deprecation_date": "date when the model goes", "source": "somewhere", "supports_vision": "no"})
    assert (odd.deprecated_on, odd.reference, odd.reads) == (None, None, ())
