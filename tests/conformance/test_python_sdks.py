"""Each Python SDK by each lane: it sees what its protocol promises, at the provider itself and through the gateway."""

from __future__ import annotations

import pytest
from bench import Bench
from expected import check
from sdks import IN_PROCESS, InProcess, Sdk, case_names

pytestmark = pytest.mark.usefixtures("one_certificate")

PLACES = [
    pytest.param(sdk, lane, case, id=f"{sdk}-{lane}-{case}")
    for sdk in IN_PROCESS
    for lane, case in sdk.places(case_names(sdk.driver))
]


@pytest.mark.parametrize(("sdk", "lane", "case"), PLACES)
def test_an_sdk_sees_what_its_protocol_promises(bench: Bench, sdk: Sdk, lane: str, case: str) -> None:
    check(bench.see(sdk, lane, case, InProcess(sdk.driver)), case, sdk.protocol, lane)
