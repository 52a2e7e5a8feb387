"""The panel: who am I, until when, what is left, which models at which price, what is live, what the last calls cost.

It is read in a thread, so that a slow gateway keeps no cell waiting; no key is ever shown.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from workbench import tracking
from workbench.client import Gateway
from workbench.errors import InvalidInput, WorkbenchError
from workbench.widgets.account import Account, read_account
from workbench.widgets.exhibit import Exhibit
from workbench.widgets.panels import button, controls, error_panel, table

_PATIENCE = 2.0
"""Seconds that the first showing waits for the gateway, so that a notebook that is run as a whole keeps the figures."""
_TIMEOUT = 10.0
"""Seconds after which a gateway that does not answer is told of."""


def panel(gateway: Gateway | None = None) -> Panel:
    """Show the account of this notebook: key, budget, models with prices, live prompts, last calls with their cost.

    `gateway` is who is asked (default: the gateway that is found). The button, or `.refresh()`, reads it anew.
    """
    return Panel(gateway)


class Panel(Exhibit):
    """What the gateway says of this notebook's account. A notebook shows it as a widget with a static twin."""

    def __init__(self, gateway: Gateway | None = None) -> None:
        super().__init__()
        self._gateway = gateway
        self._reading: threading.Thread | None = None
        self._asking = False
        self.account: Account | None = None
        """What was read last; None before."""
        self.refresh(wait=_PATIENCE)

    def refresh(self, *, wait: float = 0.0) -> None:
        """Read everything anew, in the background; return when it is there, or after `wait` seconds."""
        if self._reading is None or not self._reading.is_alive():
            self._asking = True
            self._reading = threading.Thread(target=self._read, name="workbench-panel", daemon=True)
            self._reading.start()
        if wait:
            self._reading.join(wait)

    def __repr__(self) -> str:
        account = self.account
        if account is None:
            return "Account: the gateway has not answered yet"
        if not account.me:
            return f"Account: {account.problems[0]}" if account.problems else "Account: unknown"
        spent = "unknown" if account.spent_usd is None else _money(account.spent_usd)
        return f"{_who(account.me)}; {_expiry(account)}; spent {spent}"

    # -- what is shown

    def _title(self) -> str:
        return "Account at the gateway"

    def _body(self) -> str:
        asking = "<span>Asking the gateway …</span>" if self._asking else ""
        return self._static() + controls("Account", button("refresh", "Refresh", keys="r", shown="r"), asking)

    def _static(self) -> str:
        account = self.account
        if account is None:
            return f"<p>{html.escape(repr(self))}</p>"
        problems = "".join(f"<p>{error_panel(error)}</p>" for error in account.problems)
        return f"{problems}{''.join(_tables(account))}<p><small>{_moment(account.read_at)}</small></p>"

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        del fields
        if verb != "refresh":
            raise InvalidInput(f"There is nothing named {verb!r} to do.")
        self.refresh()
        return ""

    # -- how

    def _read(self) -> None:
        try:
            gateway = self._gateway or Gateway(timeout=_TIMEOUT, max_retries=0)
        except WorkbenchError as error:
            self.account = Account(datetime.now(UTC), problems=(error,))
        else:
            try:
                self.account = read_account(gateway)
            finally:
                if gateway is not self._gateway:
                    gateway.close()
        self._asking = False
        self._redraw("Read anew.")


def _tables(account: Account) -> Iterator[str]:
    me = account.me
    if me:
        facts = [
            ("who", _who(me)),
            ("use case", me.get("use_case") or "none"),
            ("stage", me.get("stage")),
            ("key", _expiry(account)),
            ("spent with it", "unknown" if account.spent_usd is None else _money(account.spent_usd)),
            *_left(me),
        ]
        yield table(("", ""), facts, caption="Account")
    if account.calls:
        rows = [
            (_clock(row), row.get("model"), row.get("outcome"), _tokens(row), _cost(row.get("cost_usd")))
            for row in account.calls
        ]
        yield table(("time (UTC)", "model", "outcome", "tokens in / out", "cost"), rows, caption="Last calls")
    elif me:
        yield "<p>No call yet.</p>"
    if account.models:
        prices = [
            (row.get("model"), row.get("task"), *(_cost(row.get(f"price.{way}")) for way in ("input", "output")))
            for row in account.models
        ]
        head = ("model", "task", "in, per million tokens", "out, per million tokens")
        yield _folded(f"Models with prices ({len(prices)})", table(head, prices, caption="Models"))
    if prompts := _prompts(account):
        head = ("prompt", "production", "since", "by")
        yield _folded(f"Prompts ({len(prompts)})", table(head, prompts, caption="Prompts"))


def _prompts(account: Account) -> list[tuple[object, ...]]:
    live = [row for row in account.live_prompts if row.get("alias") == "production"]
    rows: list[tuple[object, ...]] = [
        (row["name"], f"v{row['version']}", str(row.get("published_at") or "")[:16], row.get("published_by"))
        for row in live
    ]
    tracker = tracking.connected()  # where MLflow is open anyway, also those that are not live yet
    if tracker is not None:
        known = {row["name"] for row in live}
        try:
            rows += [(name, "none", None, None) for name in tracker.list_prompts() if name not in known]
        except WorkbenchError:  # the gateway's own are worth showing without it
            return rows
    return rows


def _left(me: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return what is left of each budget and limit that may refuse a call, the key's own among them."""
    found = False
    for each in me.get("held_to") or ():
        for name, left in (each.get("left") or {}).items():
            found = True
            whose = f"{each.get('subject')} {each.get('name')}" if each.get("subject") != "key" else "key"
            shown = _money(left) if name.startswith("usd") else f"{left:,.0f}"
            yield f"left: {name.replace('_', ' ')} ({whose})", shown
    if not found:
        yield "left", "no budget and no limit is set"


def _who(me: Mapping[str, Any]) -> str:
    return f"{me.get('owner') or me.get('name')}, {me.get('kind', 'identity')} key"


def _expiry(account: Account) -> str:
    told = account.me.get("expires_at")
    if not told:
        return "does not expire"
    ends = datetime.fromisoformat(told)
    minutes = int((ends - account.read_at).total_seconds() // 60)
    left = (
        f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
    )
    return f"ends {ends:%d %b %H:%M} UTC, in {left}" if minutes >= 0 else f"ended {ends:%d %b %H:%M} UTC"


def _clock(row: Mapping[str, Any]) -> str:
    return f"{datetime.fromisoformat(row['time']):%d %b %H:%M:%S}"


def _tokens(row: Mapping[str, Any]) -> str:
    shown = ["?" if row.get(name) is None else f"{row[name]:,}" for name in ("input_tokens", "output_tokens")]
    return " / ".join(shown)


def _cost(value: float | None) -> str:
    return "unknown" if value is None else _money(value)


def _money(value: float) -> str:
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.6f}".rstrip("0")


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{html.escape(summary)}</summary>{inside}</details>"


def _moment(when: datetime) -> str:
    return f"as of {when:%d %b %Y %H:%M:%S} UTC"
