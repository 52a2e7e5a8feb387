"""Metrics of ragas as scorers; ragas is optional, and where it is not, that is told."""

from __future__ import annotations

import sys

import pytest

from workbench.errors import InvalidInput, MissingComponent
from workbench.evidence import Example, Output, from_ragas

SUM = Example("sum", {"question": "2 + 2?", "context": "2 + 2 is 4."}, "4")


def test_without_ragas_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ragas.dataset_schema", None)
    with pytest.raises(MissingComponent, match=r"pip install 'genai-workbench\[ragas\]'"):
        from_ragas(object())


def test_a_metric_scores_one_turn():
    from ragas.metrics import ExactMatch, RougeScore

    exact = from_ragas(ExactMatch())
    assert (exact.name, exact("4", SUM).value, exact("5", SUM).value) == ("exact_match", 1, 0)
    assert from_ragas(RougeScore())("4", SUM).value == 1
    assert exact("4", Example("none", {"question": "?"})).value is None
    assert exact(Output(images=(b"x",)), SUM).value is None
    for other in (ExactMatch, object()):
        with pytest.raises(InvalidInput, match="no metric of ragas"):
            from_ragas(other)


def test_a_metric_that_asks_goes_through_the_gateway_of_its_model(tmp_path):
    from langchain_openai import ChatOpenAI
    from ragas.llms import LangchainLLMWrapper
    from ragas.metrics import AspectCritic

    from workbench.client import Gateway
    from workbench.testing.simulated_gateway import simulated_gateway
    from workbench.testing.simulator import simulated_providers

    with simulated_providers() as providers, simulated_gateway(tmp_path / "home", providers) as running:
        key = running.issue_key()
        llm = ChatOpenAI(model="chatty", base_url=f"{running.url}/v1", api_key=key, max_retries=0)
        critic = AspectCritic(name="kind", definition="Is it kind?", llm=LangchainLLMWrapper(llm))
        from_ragas(critic)("hello", SUM)  # a simulated model writes prose: ragas finds no verdict in it
        with Gateway(url=running.url, key=key) as own:
            assert {row["model"] for row in own.calls()} == {"chatty"}
