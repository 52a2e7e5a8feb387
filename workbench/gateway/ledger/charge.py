"""What a call costs: as the provider says, else by the price of its time; estimated where nobody told.

An answer that was given up while the provider was at work is billed by it all the same. It is charged its question, and
the tokens that may have been made until then: fifty a second, and no more than were asked for.
"""

from __future__ import annotations

from workbench.gateway.dialects.reader import TOKENS_PER_SECOND, Reader
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate
from workbench.gateway.ledger.row import LedgerRow
from workbench.wire.usage import Usage

_USUAL_MOST = 4096
"""Output tokens of an answer, at most, where neither the caller nor the price book says."""


def charge(row: LedgerRow, reader: Reader, rate: Rate | None, usage: Usage) -> None:
    """Write what an answer used and cost into its row."""
    row.input_tokens, row.output_tokens = usage.input_tokens, usage.output_tokens
    row.cached_input_tokens, row.cache_write_tokens = usage.cached_input_tokens, usage.cache_write_tokens
    row.reasoning_tokens = usage.reasoning_tokens
    row.images, row.audio_seconds = usage.images or None, usage.audio_seconds or None
    told = reader.told
    if told.cost is not None:
        row.cost_usd, row.cost_source = round(told.cost, 12), "provider"
    elif rate is None:
        row.cost_source = "unknown"
    else:
        if told.grade and rate.grades:
            rate = rate.graded(told.grade)
        row.cost_usd = rate.cost(usage, look=told.look)
        exact = usage.characters > 0 and not rate.tokens.dearest  # what was to be spoken is known to the letter
        row.cost_source = "estimated" if reader.estimated and not exact else rate.source
        row.price_version = rate.version


def may_have_made(known: Entry, *, limit: int | None, seconds: float) -> int:
    """Return the output tokens that a provider may have made in so many seconds; `limit` is what was asked for."""
    most = known.max_output_tokens or _USUAL_MOST
    return min(int(seconds * TOKENS_PER_SECOND), most if limit is None else limit)
