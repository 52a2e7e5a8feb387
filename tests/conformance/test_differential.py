"""The same script, at the provider itself and through the gateway: equal objects, errors and order of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from bench import Bench
from sdks import IN_PROCESS, THROUGH, InProcess, Sdk, case_names

pytestmark = pytest.mark.usefixtures("one_certificate")


@dataclass(frozen=True)
class Difference:
    """What an SDK sees otherwise through the gateway."""

    saw: dict[str, Any]
    """The fields, as they are there."""
    why: str
    """Why that is right."""


DIFFERENCES = {
    ("boto3", "native", "bad_key"): Difference(
        {"status": 401}, "AWS says 403; a key that the gateway does not know is 401 on all its paths"
    ),
    ("google-genai (Gemini)", "native", "bad_key"): Difference(
        {"status": 401}, "Google says 400; a key that the gateway does not know is 401 on all its paths"
    ),
    ("openai-python", "unified", "files"): Difference(
        {"bytes": 189, "same": False},
        "each line of a batch is written anew, without its spaces: its model is checked and renamed",
    ),
    ("litellm (OpenAI)", "unified", "unknown_model"): Difference(
        {"raised": ["NotFoundError", "NotFoundError", "APIStatusError", "APIError", "OpenAIError", "Exception"]},
        "litellm finds its class by the text; the gateway's own 404 has the code model_not_found",
    ),
}
"""SDK, lane and case -> what differs from the provider's own answer. What does not stand here is equal."""

PLACES = [
    pytest.param(sdk, lane, case, id=f"{sdk}-{lane}-{case}")
    for sdk in IN_PROCESS
    for lane, case in sdk.places(case_names(sdk.driver))
    if lane in THROUGH
]


@pytest.mark.parametrize(("sdk", "lane", "case"), PLACES)
def test_an_sdk_sees_the_same_through_the_gateway(bench: Bench, sdk: Sdk, lane: str, case: str) -> None:
    runner = InProcess(sdk.driver)
    difference = DIFFERENCES.get((sdk.name, lane, case))
    direct = bench.see(sdk, "direct", case, runner)
    assert bench.see(sdk, lane, case, runner) == ({**direct, **difference.saw} if difference else direct)


def test_no_difference_stands_for_a_place_that_is_not_tried() -> None:
    tried = {(sdk.name, lane, case) for sdk in IN_PROCESS for lane, case in sdk.places(case_names(sdk.driver))}
    assert DIFFERENCES.keys() <= tried
