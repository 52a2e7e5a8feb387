"""`/admin/v1`, as rows."""

from __future__ import annotations

from functools import partial

from workbench.gateway.access.issuing import KeyChange, KeyWish, RotationWish
from workbench.gateway.admission.raises import RaiseWish
from workbench.gateway.openapi.row import Parameter, Row
from workbench.gateway.reports.question import COLUMNS, PERIODS
from workbench.gateway.review.grant import GrantWish
from workbench.gateway.review.routes import Decision, Escalation
from workbench.gateway.routing.registry import Registration
from workbench.gateway.settlement.routes import Closing

KEY_ID = ("id", "path", "id of the key, `key_...`")
USE_CASE = ("name", "path", "name of the use case")
STATE = ("state", "query", "those in this state only: draft, submitted, in_review, escalated, approved, ...")
SINCE = ("since", "query", "not before that time: 2026-11-22, 2026-11-22T09:00:00Z, or 7d for so long ago")
UNTIL = ("until", "query", "before that time")
CURSOR = ("cursor", "query", "`next` of the page before")
REQUEST_ID = ("request_id", "query", "the call of that id")
PAGE = ("limit", "query", "rows at most: 100 if nothing is said, up to 1,000")
_MODEL_NAME = ("name", "path", "name of the model; it may hold / and :")
_CALL = ("request_id", "path", "id of the call, from its answer's x-request-id")
_PAGED = "data: newest first; next: the cursor of the next page, null at the end"
_REPORT: tuple[Parameter, ...] = (
    SINCE,
    UNTIL,
    *((name, "query", f"calls of this {name} only") for name in COLUMNS),
    ("tag:NAME", "query", "calls with this value of a tag only"),
    ("limit", "query", "groups at most, the dearest first"),
)
_GROUPS = ("group_by", "query", f"of {', '.join([*COLUMNS, *PERIODS])} or tag:NAME, commas between")

_admin = partial(Row, who="an admin")
_reviewer = partial(Row, who="a reviewer")
_KEYS, _CASE = "/admin/v1/keys", "/admin/v1/use-cases/{name}"
_TOLD_CASE = {200: "the use case, as `/use-cases/{name}` tells it", 409: "it does not fit the use case's state"}

ROWS = (
    # -- keys
    _admin("get", _KEYS, "List keys of every owner.", {200: _PAGED},
           (("owner", "query", "keys of this owner only"), ("use_case", "query", "keys of this use case only"), PAGE,
            CURSOR)),
    _admin("post", _KEYS, "Issue a key. What is left out is unset: no end, no limit, no budget, every scope.",
           {201: "the key, told this once, and what it is held to"}, body=KeyWish),
    _admin("get", f"{_KEYS}/{{id}}", "Show a key.", {200: "the key, with what is left of it"}, (KEY_ID,)),
    _admin("patch", f"{_KEYS}/{{id}}", "Change a key: what is given replaces what was there, whole; null unsets it.",
           {200: "the key"}, (KEY_ID,), KeyChange),
    _admin("delete", f"{_KEYS}/{{id}}", "Revoke a key: everywhere within 2 s, in streams under way within 5 s.",
           {200: "the key"}, (KEY_ID,)),
    _admin("post", f"{_KEYS}/{{id}}/rotate", "Make a key in the place of one that goes on for a while.",
           {201: "the new key, told this once"}, (KEY_ID,), RotationWish),
    # -- use cases
    _reviewer("get", "/admin/v1/use-cases", "List use cases of every owner.", {200: "data: the use cases"},
              (STATE, PAGE)),
    _reviewer("post", f"{_CASE}/approve", "Approve a use case, with what it is granted.", _TOLD_CASE, (USE_CASE,),
              GrantWish),
    _reviewer("post", f"{_CASE}/amend", "Change what an approved use case is granted.", _TOLD_CASE, (USE_CASE,),
              GrantWish),
    _reviewer("post", f"{_CASE}/reject", "Reject a use case, and say why.", _TOLD_CASE, (USE_CASE,), Decision),
    _reviewer("post", f"{_CASE}/request-changes", "Send a use case back to its owner.", _TOLD_CASE, (USE_CASE,),
              Decision),
    _reviewer("post", f"{_CASE}/escalate", "Hand a use case to a governance group.", _TOLD_CASE, (USE_CASE,),
              Escalation),
    _reviewer("post", f"{_CASE}/retire", "End a use case: its keys, its share and its budget.", _TOLD_CASE, (USE_CASE,),
              Decision),
    # -- limits and budgets
    _admin("get", "/admin/v1/limits", "Tell who is held to what, and what is left of it.", {200: "data: the subjects"},
           (("subject", "query", "key, use_case, user, model or provider"), ("name", "query", "the subject's name"))),
    _admin("get", "/admin/v1/budgets/raises", "List raises of budgets, newest first.",
           {200: "data: the raises, those that are over too"}),
    _admin("post", "/admin/v1/budgets/raises", "Raise a budget for a time.", {201: "the raise"}, body=RaiseWish),
    # -- the ledger
    _admin("get", "/admin/v1/calls", "Read ledger rows.", {200: _PAGED},
           (SINCE, ("use_case", "query", "calls of this use case only"), ("model", "query", "calls of this model only"),
            REQUEST_ID, ("key_id", "query", "calls of this key only"), ("owner", "query", "calls of this owner only"),
            ("account", "query", "calls of this line of rotated keys only"), PAGE, CURSOR)),
    _admin("get", "/admin/v1/usage", "Tell what calls used and cost, by group.",
           {200: "data: a row for each group, with tokens, cost, calls and errors"}, (_GROUPS, *_REPORT)),
    _admin("get", "/admin/v1/usage/showback", "Tell what each use case cost in a month, reserved capacity included.",
           {200: "data: the use cases"}, (("month", "query", "such as 2026-11; this one if nothing is said"),)),
    _admin("get", "/admin/v1/usage/slo", "Tell which share of calls was answered, and in time.",
           {200: "data: the use cases"}, _REPORT),
    _admin("get", "/admin/v1/usage/capacity", "Tell how reserved capacity is used, and what to move there.",
           {200: "data: the pools, with advice"}, _REPORT),
    _admin("post", "/admin/v1/usage/settle", "Price batches, jobs and hours that have ended, each once.",
           {200: "settled, waiting, rows, cost_usd, unpriced, problems"}),
    _admin("get", "/admin/v1/usage/settle", "List what waits to be settled, and what is kept for each.",
           {200: "data: the oldest first"}),
    _admin("post", "/admin/v1/usage/settle/{id}", "Wait for one thing no longer: book what it cost by hand.",
           {200: "settled, waiting, rows, cost_usd, unpriced, problems", 404: "nothing with that id waits",
            409: "another run is at it"},
           (("id", "path", "its id in the list, or its first eight digits and more"),), Closing),
    _admin("get", "/admin/v1/prices", "Tell which prices hold, where each comes from, and since when.",
           {200: "data: the deployments"}, (("model", "query", "deployments of this model only"),)),
    # -- audit
    _admin("post", "/admin/v1/audit/ship", "Ship what is new to the lake, and delete what is over its time.",
           {200: "what was shipped and deleted"}),
    _admin("get", "/admin/v1/audit/calls/{request_id}", "Show a call: its row, and what was kept of its bodies.",
           {200: "the call", 404: "there is none"}, (_CALL,)),
    _reviewer("get", "/admin/v1/audit/dataset", "Make examples of real traffic, as far as its data class lets it out.",
              {200: "an example a line"},
              (SINCE, UNTIL, ("use_case", "query", "calls of this use case only"),
               ("model", "query", "calls of this model only"),
               ("sample", "query", "examples at most: 200 if nothing is said"),
               ("seed", "query", "chooses which; 0 if nothing is said"))),
    # -- models, providers, the gateway itself
    _admin("get", "/admin/v1/models", "List registered models.", {200: "data: the models"}),
    _admin("post", "/admin/v1/models", "Register a model, in force at once.", {201: "the model"}, body=Registration),
    _admin("get", "/admin/v1/models/{name}", "Show a registered model.", {200: "the model"}, (_MODEL_NAME,)),
    _admin("delete", "/admin/v1/models/{name}", "Take a registered model away.", {200: "the model"}, (_MODEL_NAME,)),
    _admin("get", "/admin/v1/local", "List the embedded models in memory.", {200: "data: the models"}),
    _admin("post", "/admin/v1/local/{name}", "Load an embedded model.", {200: "the model"}, (_MODEL_NAME,)),
    _admin("delete", "/admin/v1/local/{name}", "Take an embedded model out of memory.", {200: "the model"},
           (_MODEL_NAME,)),
    _admin("get", "/admin/v1/health", "Tell how each deployment is doing.", {200: "data: the deployments"}),
    _admin("post", "/admin/v1/reload", "Read the configuration again; streams go on.",
           {200: "what changed", 400: "the configuration is wrong: nothing changed"}),
    _admin("get", "/admin/v1/alerts", "List alerts, newest first, each with its deliveries.", {200: "data: the alerts"},
           (("limit", "query", "alerts at most: 50 if nothing is said, up to 1,000"),)),
    _admin("post", "/admin/v1/alerts/test", "Send a test to every destination.",
           {200: "data: what became of it at each"}),
)  # fmt: skip
