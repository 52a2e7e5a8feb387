"""All that may be asked of published prompts, in any language, as OpenAPI 3.1: rows, and schemas from the bodies."""

from __future__ import annotations

from functools import cache
from typing import Any

from workbench.gateway.openapi.row import Row, document
from workbench.gateway.published.feedback import Word
from workbench.gateway.published.past import RollbackWish
from workbench.gateway.published.record import Publication
from workbench.gateway.published.requests import ApprovalWish, EvidenceWish, GateWish, RequestWish, WordsWish
from workbench.gateway.published.rollout_routes import Why
from workbench.gateway.published.rollouts import RolloutWish

_REFERENCE = ("reference", "path", "name@alias, such as support.summary@production")
_USER = ("user", "query", "key of the application's user: chooses the side of a rollout, and always the same")
_HASH = ("user_hash", "query", "SHA-256 of that key in hex, in its place")
_AS_OF = ("as_of", "query", "what was live at that time, such as 2026-11-22T09:00:00Z, or 7d for so long ago")
_AFTER = ("after", "query", "number of the last record or word that is known")
_WAIT = ("wait", "query", "seconds that the answer may take while there is nothing to tell, up to 60")
_ID = ("id", "path", "number of the request")
_LIMIT = ("limit", "query", "records at most, up to 1,000")
_WORDS = ("limit", "query", "words at most")
_OLDER = ("after", "query", "`next` of the page before: older requests follow")
_PAGE = ("limit", "query", "requests at most, up to 100")
_NAME = ("name", "query", "requests about this prompt only")
_ALIAS = ("alias", "query", "and this alias only; with a name, the answer tells how many must approve")
_STATE = ("state", "query", "requests in this state only")
_EVENT = ("event", "path", "pause, resume, advance or abort")
_ETAG = ("if-none-match", "header", "the etag of the answer that is known: 304 where it still holds")


_PROMPT = "/v1/prompts/{reference}"
_REQUEST = "/v1/prompts/requests/{id}"
ROWS = (
    Row("get", "/v1/prompts", "List what is live.", {200: "data: the prompts"}),
    Row(
        "get",
        "/v1/prompts/changes",
        "Wait for a change of what is served.",
        {200: "seq, and the references that changed since `after`"},
        (_AFTER, _WAIT),
    ),
    Row(
        "get",
        _PROMPT,
        "Load a prompt, for a user where there is one.",
        {
            200: "template, messages, parameters, schema, hash (SHA-256 of template, parameters, schema and form), "
            "tags (also as the header x-workbench-tags: send it with the calls), rollout",
            304: "it is still what you have",
            404: "nothing is live under that alias",
        },
        (_REFERENCE, _USER, _HASH, _AS_OF, _ETAG),
    ),
    Row(
        "get", f"{_PROMPT}/history", "Tell all that was live, newest first.", {200: "data: the records"}, (_REFERENCE,)
    ),
    Row(
        "get",
        f"{_PROMPT}/rollout",
        "Tell how the latest rollout stands.",
        {200: "state, weight, arms, plan, events, and the last look", 404: "there never was one"},
        (_REFERENCE,),
    ),
    Row(
        "post",
        f"{_PROMPT}/rollout",
        "Begin a rollout; a scientist's right.",
        {
            201: "the rollout",
            403: "the candidate lacks approvals",
            409: "one goes on already, or both sides are the same",
        },
        (_REFERENCE,),
        RolloutWish,
    ),
    Row(
        "post",
        f"{_PROMPT}/rollout/{{event}}",
        "Take a rollout in hand; a scientist's right.",
        {200: "the rollout", 409: "it does not fit its state"},
        (_REFERENCE, _EVENT),
        Why,
    ),
    Row(
        "post",
        _PROMPT,
        "Publish a version where nobody has to approve it; a scientist's right.",
        {201: "the record", 403: "it needs approvals: ask for them", 409: "another one is live than `expects` says"},
        (_REFERENCE,),
        Publication,
    ),
    Row(
        "post",
        f"{_PROMPT}/rollback",
        "Make live again what was live before, at once; a scientist's or a reviewer's right.",
        {201: "the record", 404: "nothing was live before", 409: "another one is live than `seq` says"},
        (_REFERENCE,),
        RollbackWish,
    ),
    Row(
        "get",
        f"{_PROMPT}/watch",
        "Tell outcomes of what is live, and of what was before.",
        {200: "the figures", 404: "nothing is live under that alias"},
        (_REFERENCE,),
    ),
    Row(
        "post",
        "/v1/prompts/gates",
        "Fix a gate before its run; a scientist's right.",
        {201: "the record, with the gate's hash"},
        (),
        GateWish,
    ),
    Row(
        "post",
        f"{_PROMPT}/requests",
        "Ask for a version to go live; a scientist's right.",
        {201: "the request", 409: "one about the same version is open"},
        (_REFERENCE,),
        RequestWish,
    ),
    Row(
        "get",
        "/v1/prompts/requests",
        "List requests, newest first.",
        {200: "data: the requests; next: what to go on after, null at the end"},
        (_NAME, _ALIAS, _STATE, _OLDER, _PAGE),
    ),
    Row("get", _REQUEST, "Tell how a request stands.", {200: "the request", 404: "there is none"}, (_ID,)),
    Row(
        "post",
        f"{_REQUEST}/evidence",
        "Bring what the gate said on a run; a scientist's right.",
        {200: "the request", 409: "it does not fit what was fixed, or the request's state"},
        (_ID,),
        EvidenceWish,
    ),
    Row("post", f"{_REQUEST}/comments", "Say something.", {200: "the request"}, (_ID,), WordsWish),
    Row(
        "post",
        f"{_REQUEST}/approve",
        "Approve what was seen; a reviewer's right; only the local owner may where they had a hand in it.",
        {
            200: "the request",
            403: "the approver had a hand in it",
            409: "newer evidence has come, or its state is another",
        },
        (_ID,),
        ApprovalWish,
    ),
    Row(
        "post",
        f"{_REQUEST}/reject",
        "Reject it, and say why; a reviewer's right.",
        {200: "the request"},
        (_ID,),
        WordsWish,
    ),
    Row("post", f"{_REQUEST}/withdraw", "Take it back.", {200: "the request"}, (_ID,), WordsWish),
    Row(
        "post",
        f"{_REQUEST}/publish",
        "Make live what was approved.",
        {201: "the record", 403: "approvals are missing", 409: "another one is live than at the gate"},
        (_ID,),
    ),
    Row(
        "get",
        "/v1/prompts/verify",
        "Tell whether the whole record is what was written.",
        {200: "whole, problem, seq, record_hash"},
    ),
    Row(
        "get",
        "/v1/prompts/record",
        "Read every record, oldest first, to check it elsewhere.",
        {200: "data: the records; next: what to go on after, null at the end"},
        (_AFTER, _LIMIT),
    ),
    Row(
        "post",
        "/v1/feedback",
        "Tell what an answer was worth; telling it again replaces it.",
        {201: "what is kept", 404: "no call of the key's owner has that id"},
        (),
        Word,
    ),
    Row(
        "get",
        "/v1/feedback",
        "Read what was told, oldest first; a scientist's right.",
        {200: "data: the words; next: what to go on after, null at the end"},
        (_AFTER, _WORDS),
        who="an identity",
    ),
)


@cache
def described() -> dict[str, Any]:
    """Return the document."""
    return document("Published prompts", ROWS)
