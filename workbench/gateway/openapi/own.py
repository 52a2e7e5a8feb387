"""What a key and an identity may ask about themselves, and what anybody may, as rows."""

from __future__ import annotations

from functools import partial

from workbench.gateway.access.issuing import ExplorationWish, RotationWish
from workbench.gateway.openapi.admin import CURSOR, KEY_ID, PAGE, REQUEST_ID, SINCE, STATE, USE_CASE
from workbench.gateway.openapi.row import Row
from workbench.gateway.review.review import SubmitWish, UseCaseKeyWish
from workbench.gateway.review.rfc import Rfc, RfcChange
from workbench.gateway.review.routes import Acknowledgement, Comment

_key = partial(Row, who="a key")
_identity = partial(Row, who="an identity")
_anybody = partial(Row, who="anybody")
_CASE = "/use-cases/{name}"
_CHANGED = {200: "the use case", 409: "it does not fit the use case's state"}

ROWS = (
    # -- a key about itself
    Row("get", "/me", "Tell what a key may do and what is left of it, or who an identity is.", {200: "the key"}),
    _key("get", "/me/usage", "Tell what the key's calls used and cost.", {200: "sums, and models: a row for each"}),
    _key("get", "/me/calls", "Read the key's own ledger rows.",
         {200: "data: newest first; next: the cursor of the next page"},
         (REQUEST_ID, ("tags", "query", "calls with these tags, `name=value,...`, of all that the owner explored"),
          SINCE, PAGE, CURSOR)),
    _key("get", "/me/calls/{request_id}/body", "Show what was said in an exploration call of one's own.",
         {200: "the bodies, as they are kept", 404: "it is none, or nothing was kept"},
         (("request_id", "path", "id of the call"),)),
    # -- an identity's keys
    _identity("get", "/keys", "List one's own keys.", {200: "data: the keys"}),
    _identity("post", "/keys/exploration", "Issue an exploration key for oneself, within the policy.",
              {201: "the key, told this once", 403: "the text on risks is not acknowledged yet"}, body=ExplorationWish),
    _identity("get", "/keys/{id}", "Show a key of one's own.", {200: "the key, with what is left of it"}, (KEY_ID,)),
    _identity("post", "/keys/{id}/rotate", "Make a key in the place of one's own, which goes on for a while.",
              {201: "the new key, told this once"}, (KEY_ID,), RotationWish),
    _identity("delete", "/keys/{id}", "Revoke a key of one's own.", {200: "the key"}, (KEY_ID,)),
    _identity("get", "/me/acknowledgements", "Tell the text on risks, and whether one has acknowledged it.",
              {200: "the text and its version"}),
    _identity("post", "/me/acknowledgements", "Acknowledge a version of the text on risks.", {201: "what was noted"},
              body=Acknowledgement),
    # -- use cases
    _identity("get", "/use-cases", "List one's own use cases; all of them for a reviewer.",
              {200: "data: the use cases"}, (STATE, PAGE)),
    _identity("post", "/use-cases", "Draft a use case.", {201: "the use case"}, body=Rfc),
    _identity("get", _CASE, "Show a use case, with its checklist, its keys and what happened to it.",
              {200: "the use case"}, (USE_CASE,)),
    _identity("patch", _CASE, "Change a draft.", _CHANGED, (USE_CASE,), RfcChange),
    _identity("post", f"{_CASE}/submit", "Ask for a review.", _CHANGED, (USE_CASE,), SubmitWish),
    _identity("post", f"{_CASE}/comments", "Say something about it.", {200: "the use case"}, (USE_CASE,), Comment),
    _identity("post", f"{_CASE}/keys", "Issue a production key of an approved use case.",
              {201: "the key, told this once", 409: "it is not approved"}, (USE_CASE,), UseCaseKeyWish),
    # -- the gateway
    Row("get", "/v1/status", "Tell the state of the providers that the caller may use.", {200: "data: the providers"}),
    _anybody("get", "/healthz", "Tell that the gateway lives.", {200: "status"}),
    _anybody("get", "/readyz", "Tell whether calls are served; says nothing of providers.",
             {200: "status and stage", 503: "not now, and why"}),
    _anybody("get", "/openapi.json", "Describe all this.", {200: "this document"}),
    _anybody("get", "/docs", "Describe all this, for people.", {200: "a page"}),
    Row("get", "/metrics", "Tell the metrics of all workers, for Prometheus.",
        {200: "a page of metrics; whoever has [gateway] metrics_token reads it, too"}, who="an admin"),
    _anybody("post", "/slack/commands", "Take a slash command of Slack, whose signature is checked.",
             {200: "an answer that only the person sees", 401: "the signature is not good"}),
)  # fmt: skip
