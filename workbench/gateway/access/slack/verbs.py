"""What the slash command does: a verb each, told in Slack's own mark-up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from workbench.errors import InvalidInput
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.issuing import ExplorationWish

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_MOST_LISTED = 20

Verb = Callable[["Parts", Identity, list[str]], Awaitable[str]]


async def issue(gateway: Parts, asker: Identity, words: list[str]) -> str:
    """Issue an exploration key."""
    await gateway.review.acknowledging.check(asker)
    issued = await gateway.issuer.exploration(ExplorationWish(note=" ".join(words)[:200] or "Slack"), asker)
    gateway.admission.hold_to(issued.key)
    told = issued.key.as_dict()
    return f"Your key `{told['id']}`, until {told['expires_at']}; it is shown this once:\n```{issued.secret}```"


async def keys(gateway: Parts, asker: Identity, _words: list[str]) -> str:
    """List the live keys."""
    live = sorted(gateway.keys.live_of(asker.name), key=lambda key: -key.created_at)
    if not live:
        return "You have no live key. `key` issues one."
    lines = []
    for key in live[:_MOST_LISTED]:
        told = key.as_dict()
        end = f"until {told['expires_at']}" if told["expires_at"] else "without end"
        lines.append(f"• `{key.id}` {key.kind}, {end}{f', {_plain(key.note)}' if key.note else ''}")
    more = len(live) - _MOST_LISTED
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


async def revoke(gateway: Parts, asker: Identity, words: list[str]) -> str:
    """Revoke one of the keys."""
    if len(words) != 1:
        raise InvalidInput("`revoke` takes the id of one key.", hint="`keys` lists them.")
    key = await gateway.issuer.revoke(words[0].strip("`"), asker)
    return f"`{key.id}` is revoked."


async def usage(gateway: Parts, asker: Identity, _words: list[str]) -> str:
    """Tell what the live keys have used."""
    live = gateway.keys.live_of(asker.name)
    rows = [row for key in live for row in await asyncio.to_thread(gateway.reports.usage, key.id)]
    calls, tokens = (sum(row[name] for row in rows) for name in ("calls", "input_tokens"))
    tokens += sum(row["output_tokens"] for row in rows)
    cost = sum(row["cost_usd"] or 0.0 for row in rows)
    return f"Your {len(live)} live keys: {calls} calls, {tokens} tokens, ${cost:.4f}."


async def say_help(_gateway: Parts, _asker: Identity, _words: list[str]) -> str:
    """Tell the verbs."""
    return "\n".join(f"• `{name}`: {told}" for name, (told, _) in VERBS.items())


VERBS: dict[str, tuple[str, Verb]] = {
    "key": ("issues an exploration key; what follows is its note", issue),
    "keys": ("lists your live keys", keys),
    "revoke": ("ends the key of the id that follows, at once", revoke),
    "usage": ("tells what your live keys have used", usage),
    "help": ("tells this", say_help),
}


def _plain(text: str) -> str:
    """Return a text so that Slack reads no mention, link or format in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
