"""Several comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.errors import InvalidInput


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted so that the chance of any false finding among them stays below the bar.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65. One p value stays as it is. Raises InvalidInput for a
    value that is no p value.
    """
    if strange := [p for p in p_values if not 0 <= p <= 1]:
        raise InvalidInput(f"A p value lies between 0 and 1, not at {strange[0]!r}.")
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
