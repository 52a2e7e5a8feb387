"""What an identity may do about promotion at a gateway: ask, bring evidence, decide, publish, roll back, look back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.client import answers
from workbench.client.asks import Ask, prompt_path

Row = dict[str, Any]


class PromotionDesk:
    """`/v1/prompts/...` of one gateway, as far as it needs an identity; `Gateway.promotion` is one."""

    def __init__(self, ask: Callable[[Ask[Any]], Any]) -> None:
        """Ask by a function that sends a request and reads its answer."""
        self._ask = ask

    # -- requests --------------------------------------------------------------------------------------------------

    def register_gate(self, name: str, gates: Mapping[str, Any], *, reason: str = "") -> Row:
        """Fix a gate for a prompt before the run; return the record that says when."""
        return self._post("/v1/prompts/gates", {"name": name, "gates": dict(gates), "reason": reason})

    def request(self, name: str, alias: str, wish: Mapping[str, Any]) -> Row:
        """Ask that a version become live: version, template, parameters, schema, form, gates, reason."""
        return self._post(f"{prompt_path(name, alias)}/requests", wish)

    def requests(self, *, name: str | None = None, state: str | None = None) -> list[Row]:
        """Return requests, newest first."""
        query = {key: value for key, value in (("name", name), ("state", state)) if value is not None}
        return self._pages("/v1/prompts/requests", query)

    def approvals_needed(self, name: str, alias: str) -> int:
        """Return how many others must approve what becomes live under an alias."""
        query = {"name": name, "alias": alias, "limit": "1"}
        needed: int = self._ask(
            Ask("/v1/prompts/requests", lambda body: int(body["approvals_needed"]), query=query, as_identity=True)
        )
        return needed

    def show(self, number: int) -> Row:
        """Return the whole of a request."""
        return self._get(f"/v1/prompts/requests/{number:d}")

    def bring(self, number: int, evidence: Mapping[str, Any]) -> Row:
        """Keep what the gate said of a request."""
        return self._post(f"/v1/prompts/requests/{number:d}/evidence", evidence)

    def approve(self, number: int, *, seen: int, why: str, recomputed: Mapping[str, Any] | None) -> Row:
        """Approve a request by the evidence that was seen."""
        body = {"seen": seen, "why": why, "recomputed": None if recomputed is None else dict(recomputed)}
        return self._post(f"/v1/prompts/requests/{number:d}/approve", body)

    def say(self, number: int, verb: str, text: str) -> Row:
        """Say something to a request: `comments`, `reject` or `withdraw`."""
        return self._post(f"/v1/prompts/requests/{number:d}/{verb}", {"text": text})

    def publish(self, number: int) -> Row:
        """Make live what a request asks for; return the publication."""
        return self._post(f"/v1/prompts/requests/{number:d}/publish", {})

    # -- the record --------------------------------------------------------------------------------------------------

    def rollback(self, name: str, alias: str, *, reason: str, to: int | None, seq: int | None = None) -> Row:
        """Make live again what was live before; return the publication."""
        return self._post(f"{prompt_path(name, alias)}/rollback", {"reason": reason, "to": to, "seq": seq})

    def as_of(self, name: str, alias: str, time: str) -> Any:
        """Return the prompt that was live at a time."""
        return self._ask(Ask(prompt_path(name, alias), answers.read_published, query={"as_of": time}))

    def watched(self, name: str, alias: str) -> Row:
        """Return the outcomes of the calls of what is live, and of what was live before."""
        return self._get(f"{prompt_path(name, alias)}/watch")

    def verify(self) -> Row:
        """Return whether the gateway finds its record whole, and where it ends."""
        return self._get("/v1/prompts/verify")

    def record(self) -> list[Row]:
        """Return every record of the chain, oldest first."""
        return self._pages("/v1/prompts/record", {})

    def _pages(self, path: str, query: Mapping[str, str]) -> list[Row]:
        found: list[Row] = []
        after: int | None = 0
        while after is not None:
            asked = {**query, "after": str(after)}
            page, after = self._ask(Ask(path, _page, query=asked, as_identity=True))
            found += page
        return found

    def _get(self, path: str) -> Row:
        return dict(self._ask(Ask(path, dict, as_identity=True)))

    def _post(self, path: str, body: Mapping[str, Any]) -> Row:
        # The record is append-only: a second sending would stand in it for ever.
        return dict(self._ask(Ask(path, dict, method="post", body=dict(body), as_identity=True, once=True)))


def _page(body: Any) -> tuple[list[Row], int | None]:
    return answers.read_rows(body), body.get("next")
