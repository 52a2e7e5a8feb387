"""Promote a prompt from a notebook: what changes, the evidence, the gate's verdict, a reason, one press.

Where somebody else must approve, the press asks for it, and the same widget shows how far the request is.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from workbench import prompts
from workbench.errors import AuthenticationFailed, InvalidInput, PermissionDenied, WorkbenchError
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.widgets.difference import difference_panel
from workbench.widgets.exhibit import Exhibit
from workbench.widgets.panels import button, controls, error_panel, table
from workbench.widgets.subject import Subject, need_runs, read

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.experiments import Experiment
    from workbench.prompts import Gate, Gates, Promotion, PromotionRequest, Prompt, Weighed
    from workbench.tracking.tracker import Tracker

_NAMES_OF_EVIDENCE = {
    "run_id": "run",
    "experiment": "experiment",
    "dataset_hash": "data",
    "model": "model",
    "baseline_run_id": "baseline: run",
    "baseline_prompt": "baseline: prompt",
    "baseline_version": "baseline: version",
    "baseline_model": "baseline: model",
}


def promote(
    prompt: Prompt | str,
    *,
    evidence: Subject,
    gate: Gate | Gates | str,
    against: str | None = None,
    alias: str = "production",
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> PromotionForm:
    """Show what speaks for a prompt version and what the gate says, and let it be promoted with a reason.

    `prompt` is a registered version (`name@3`, or `name` for the latest); `evidence` an experiment (or its id, or runs)
    in which it is a candidate; `gate` a `Gate`, several as `Gates`, or a metric that must be superior; `against` the
    candidate or run to compare with (default: the one of what is live). What goes wrong is shown in the widget and can
    be tried again; only arguments that can't be meant raise InvalidInput or NotFound. Outside a notebook use
    `.promote(reason)`, or `.ask(reason)` where somebody else must approve.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    if isinstance(prompt, str):
        prompt = prompts.load(prompt, gateway=gateway, tracker=tracker)
    experiment = read(evidence, tracker)
    runs = need_runs(experiment, "promotions' evidence")
    return PromotionForm(
        prompt,
        _run_of(prompt, experiment),
        prompts.Gate(gate) if isinstance(gate, str) else gate,
        against=runs.get(against, against) if against else None,
        alias=alias,
        gateway=gateway,
        tracker=tracker,
    )


class PromotionForm(Exhibit):
    """One promotion, before it and after it. A notebook shows it as a widget with a static twin."""

    def __init__(
        self,
        prompt: Prompt,
        run_id: str,
        gate: Gate | Gates,
        *,
        against: str | None,
        alias: str,
        gateway: Gateway,
        tracker: Tracker,
    ) -> None:
        super().__init__()
        self._prompt = prompt
        self._version = int(prompt.version or 0)
        self._run_id = run_id
        self._gate = gate
        self._against = against
        self._alias = alias
        self._gateway = gateway
        self._tracker = tracker
        self._reason = ""
        self._changes = ""
        self.promotion: Promotion | None = None
        """What became live; None before."""
        self.weighed: Weighed | None = None
        """What the gate says; None where it could not be asked."""
        self.request: PromotionRequest | None = None
        """The open request for this version, where somebody else must approve; None: there is none."""
        self._needed = 0
        self._problem: WorkbenchError | None = None
        self._weigh()

    def promote(self, reason: str) -> Promotion:
        """Promote the version; raises what `prompts.promote` raises."""
        promotion = self._promote(reason)
        self._redraw()
        return promotion

    def ask(self, reason: str) -> PromotionRequest:
        """Ask for the promotion, where somebody else must approve; raises what `prompts.request` raises."""
        asked = self._ask(reason)
        self._redraw()
        return asked

    def __repr__(self) -> str:
        if self.promotion is not None:
            return f"Promoted: {self.promotion}"
        if self.request is not None:
            return str(self.request)
        heading = f"Promotion of {self._prompt.label} to {self._alias!r}"
        if self.weighed is None:
            return f"{heading}: {self._problem}"
        passed = "passed" if self.weighed.decision.passed else "refused"
        return f"{heading}: the gate {passed} it, {self.weighed.verdict}"

    # -- what is shown

    def _title(self) -> str:
        return f"Promote {self._prompt.label} to {self._alias}"

    def _body(self) -> str:
        again = button("again", "Look again")
        if self.promotion is not None:
            return self._shown()
        if self.request is not None:
            return f"{self._shown()}{controls('Promotion', *self._steps(self.request), again)}"
        if self.weighed is None or not self.weighed.decision.passed:
            return f"{self._shown()}{controls('Promotion', again)}"
        why = (
            '<input name="reason" aria-label="Why?" placeholder="Why? What this version does better" maxlength="2000" '
            f'value="{html.escape(self._reason)}">'
        )
        verb, word = ("ask", "Ask for approval") if self._needed else ("promote", f"Promote to {self._alias}")
        press = button(verb, word, main=True)
        return f"{self._shown()}{controls('Promotion', why, press, again)}"

    def _steps(self, asked: PromotionRequest) -> list[str]:
        """Return the buttons of what may be done about a request now."""
        if asked.state == "approved" and not asked.stale:
            return [button("publish", f"Publish as {self._alias}", main=True), button("withdraw", "Withdraw")]
        approve = [button("approve", "Approve", main=True)] if asked.state == "passed" and not asked.stale else []
        return [*approve, button("withdraw", "Withdraw")]

    def _static(self) -> str:
        return self._shown()

    def _shown(self) -> str:
        """Return what is known of the promotion."""
        told = f"<p><b>{html.escape(self._title())}</b></p>"
        if self.promotion is not None:
            told += f"<p>✔ <b>Done.</b> {html.escape(str(self.promotion))}<br>{html.escape(self.promotion.reason)}</p>"
        elif self.request is not None:
            told += f"<p>{html.escape(str(self.request))}<br>{html.escape(self.request.reason)}</p>"
        if self.weighed is None:
            return told + (f"<p>{error_panel(self._problem)}</p>" if self._problem else "")
        mark, word = ("✔", "lets it pass") if self.weighed.decision.passed else ("✖", "refuses it")
        live = f"v{self.weighed.live}" if self.weighed.live else "nothing"
        facts = {name: value for name, value in self.weighed.evidence.as_dict().items() if value is not None}
        rows = [(_NAMES_OF_EVIDENCE.get(name, name), value) for name, value in facts.items()]
        return (
            f"{told}<p>{mark} <b>The gate {word}.</b> {html.escape(self.weighed.verdict)}</p>"
            f"<p>Live before: {live}</p>{self._changes}"
            f"<details><summary>Evidence</summary>{table(('', ''), rows, caption='Evidence')}</details>"
        )

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        self._reason = fields.get("reason", self._reason)
        if verb == "promote":
            self._promote(self._reason)
            return ""
        if verb == "ask":
            self._ask(self._reason)
            return ""
        if verb in ("approve", "publish", "withdraw"):
            self._decide(verb)
            return ""
        if verb == "again":
            self._weigh()
            return "Looked again."
        raise InvalidInput(f"There is nothing named {verb!r} to do.")

    # -- how

    def _weigh(self) -> None:
        name = self._prompt.name
        self.weighed = self._problem = None
        self._changes = ""
        try:
            self.weighed = prompts.weigh(
                name,
                self._version,
                evidence_run=self._run_id,
                gate=self._gate,
                alias=self._alias,
                against=self._against,
                gateway=self._gateway,
                tracker=self._tracker,
            )
            self._look_at_requests()
            if self.weighed.live is not None:
                live = f"{name}@{self._alias}"
                found = prompts.diff(live, self._prompt, gateway=self._gateway, tracker=self._tracker)
                self._changes = difference_panel(found)
        except WorkbenchError as error:
            self._problem = error

    def _look_at_requests(self) -> None:
        self.request, self._needed = None, 0
        with suppress(AuthenticationFailed, PermissionDenied):  # who can't see them is told so by a press
            self._needed = prompts.approvals_needed(self._prompt.name, self._alias, gateway=self._gateway)
        if not self._needed:
            return
        known = prompts.requests(self._prompt.name, gateway=self._gateway)
        open_ = ("asked", "passed", "refused", "approved")
        mine = (
            each
            for each in known
            if (each.hash, each.alias) == (self._prompt.hash, self._alias) and each.state in open_
        )
        self.request = next(mine, None)

    def _ask(self, reason: str) -> PromotionRequest:
        self.request = prompts.request(
            self._prompt.name,
            self._version,
            gate=self._gate,
            reason=reason,
            evidence_run=self._run_id,
            against=self._against,
            alias=self._alias,
            gateway=self._gateway,
            tracker=self._tracker,
        )
        return self.request

    def _decide(self, verb: str) -> None:
        """Approve, publish or withdraw the request; the gateway says who may."""
        if self.request is None:
            raise InvalidInput("There is no request.")
        number, gateway = self.request.id, self._gateway
        if verb == "approve":
            self.request = prompts.approve(number, gateway=gateway, tracker=self._tracker)
        elif verb == "publish":
            self.promotion = prompts.publish(number, gateway=gateway, tracker=self._tracker)
        else:
            prompts.withdraw(number, gateway=gateway)
            self.request = None

    def _promote(self, reason: str) -> Promotion:
        if self.promotion is not None:
            raise InvalidInput("It is promoted already.")
        self.promotion = prompts.promote(
            self._prompt.name,
            self._version,
            evidence_run=self._run_id,
            gate=self._gate,
            reason=reason,
            alias=self._alias,
            against=self._against,
            gateway=self._gateway,
            tracker=self._tracker,
        )
        return self.promotion


def _run_of(prompt: Prompt, experiment: Experiment) -> str:
    """Return the run of the candidate that is this version; raises InvalidInput if there is none, or several."""
    if prompt.version is None:
        raise InvalidInput(f"{prompt.label} is not registered.", hint="Register it: `wb.prompts.register(...)`.")
    found = [
        each.run_id
        for each in experiment.candidates
        if (each.prompt, each.prompt_version) == (prompt.name, prompt.version) and each.run_id
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidInput(f"No candidate of {experiment.name!r} is {prompt.label}.", param="evidence")
    raise InvalidInput(
        f"{len(found)} candidates of {experiment.name!r} are {prompt.label}.",
        hint="Name the one that counts by its run: evidence=[run_id].",
        param="evidence",
    )
