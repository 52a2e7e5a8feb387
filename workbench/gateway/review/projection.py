"""What a use case will cost, as an experiment's run lets expect."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from workbench.errors import InvalidInput

_Usd = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Projection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A month's cost at the expected volume, with its interval."""

    run_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.-]+$")]
    """MLflow's id of the run that the cost of a call was seen in."""
    n: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    """Number of examples behind it."""
    calls_per_day: Annotated[float, msgspec.Meta(ge=0, le=1e9)]
    """The volume that it was made for."""
    usd_per_call: _Usd
    """Mean cost of a call."""
    projected_usd_per_month: _Usd
    """What a month will cost."""
    low: _Usd
    """Lower end of the 95% interval of a month's cost."""
    high: _Usd | None
    """Upper end; None: one example tells no spread."""

    def check(self, calls_per_day: int) -> None:
        """Raise InvalidInput for figures that contradict one another, or were made for another volume."""
        numbers = [self.calls_per_day, self.usd_per_call, self.projected_usd_per_month, self.low, self.high or 0.0]
        high = math.inf if self.high is None else self.high
        slack = 1e-9 * max(1.0, self.projected_usd_per_month)
        if not all(map(math.isfinite, numbers)) or not (
            self.low - slack <= self.projected_usd_per_month <= high + slack
        ):
            raise InvalidInput(
                "The projection does not lie within its own interval.",
                hint="`workbench usecase submit --run RUN_ID` makes one.",
                param="projection",
            )
        if self.calls_per_day != calls_per_day:
            raise InvalidInput(
                f"The projection is for {self.calls_per_day:g} calls a day, the RFC expects {calls_per_day}.",
                hint="`workbench usecase submit --run RUN_ID` makes one anew.",
                param="projection",
            )
