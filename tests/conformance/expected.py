"""What each case must come to: the same for every SDK, but for the words that a protocol has of its own."""

from __future__ import annotations

from typing import Any

from driver import HELLO, LETTERS

ECHO = f"echo: {HELLO}"
_READ, _WRITTEN = 4, 5  # words of the question, and of its echo
_CALLS = [["find_dish", {"name": ECHO}], ["order_dish", {"name": ECHO}]]
_FINISH = {"openai": "stop", "anthropic": "end_turn", "bedrock": "end_turn", "gemini": "STOP", "vertex": "STOP"}
_FINISH_TOOLS = {"openai": "tool_calls", "anthropic": "tool_use", "bedrock": "tool_use"}

FAULTS: dict[str, dict[str, Any]] = {
    "rate_limit": {"kind": "status", "status": 429, "headers": {"retry-after": "20"}, "times": 0},
    "provider_down": {"kind": "status", "status": 503, "times": 0},
    "unknown_model": {"kind": "status", "status": 404, "message": "There is no such model."},
    "too_long": {"kind": "status", "status": 400, "message": "This model's maximum context length is 8 tokens."},
    "error_in_stream": {"kind": "error", "frames": 3},
    "cancel": {"kind": "slow", "seconds": 0.05},
}
"""What the simulator is told before a case."""

_ERRORS: dict[str, dict[str, tuple[str | None, int | None]]] = {
    "openai": {
        "bad_key": ("AuthenticationError", 401),
        "unknown_model": ("NotFoundError BadRequestError", 404),  # litellm's class goes by the text
        "rate_limit": ("RateLimitError", 429),
        "provider_down": ("InternalServerError ServiceUnavailableError", 503),  # litellm has a class for it
        "too_long": ("BadRequestError", 400),
        "error_in_stream": ("APIError", None),
    },
    "anthropic": {
        "bad_key": ("AuthenticationError", 401),
        "unknown_model": ("NotFoundError", 404),
        "rate_limit": ("RateLimitError", 429),
        "provider_down": ("ServiceUnavailableError InternalServerError", 503),
        "too_long": ("BadRequestError", 400),
        "error_in_stream": ("APIStatusError", None),
    },
    "bedrock": {
        "bad_key": ("ClientError", 403),
        "unknown_model": ("ResourceNotFoundException", 404),
        "rate_limit": ("ThrottlingException", 429),
        "provider_down": ("ServiceUnavailableException", 503),
        "too_long": ("ValidationException", 400),
        "error_in_stream": ("EventStreamError", None),
    },
    "gemini": {
        "bad_key": ("ClientError", 400),
        "unknown_model": ("ClientError", 404),
        "rate_limit": ("ClientError", 429),
        "provider_down": ("ServerError", 503),
        "too_long": ("ClientError", 400),
        "error_in_stream": ("ServerError", None),
    },
}


_ERRORS["vertex"] = {**_ERRORS["gemini"], "bad_key": ("ClientError", 401)}
_ERRORS["openai-node"] = _ERRORS["openai"]
_ERRORS["envelope"] = {case: ("message", status) for case, (_, status) in _ERRORS["openai"].items()}
for _table in (_FINISH, _FINISH_TOOLS):
    _table["openai-node"] = _table["envelope"] = _table["openai"]


def expected(case: str, protocol: str) -> dict[str, Any]:
    """Return what must be seen; a key that an SDK does not tell is left out of the comparison."""
    if case in _ERRORS[protocol]:
        name, status = _ERRORS[protocol][case]
        return {"raised": name, "status": status}
    return {
        "plain": {"text": ECHO, "finish": _FINISH[protocol], "tokens": [_READ, _WRITTEN]},
        "streamed": {"text": ECHO, "finish": _FINISH[protocol], "tokens": [_READ, _WRITTEN], "written": _WRITTEN},
        "streamed_async": {"text": ECHO, "finish": _FINISH[protocol], "tokens": [_READ, _WRITTEN]},
        "tools": {"calls": _CALLS, "finish": _FINISH_TOOLS.get(protocol)},
        "tools_streamed": {"calls": _CALLS, "finish": _FINISH_TOOLS.get(protocol)},
        "tool_result": {"text": "echo: ramen is 9 EUR"},
        "json_schema": {"name": ECHO},
        "letters": {"text": f"echo: {LETTERS}"},
        "large": {"text": "echo: short", "read": 200_001},
        "cancel": {"pieces": 3, "upstream": "client_left"},
        "embeddings": {"same": True, "tokens": 2},
        "counted": {"read": _READ},
        "response": {"text": ECHO, "tokens": [_READ, _WRITTEN]},
        "response_streamed": {"text": ECHO},
        "response_tools": {"calls": _CALLS},
        "completion": {"text": ECHO},
        "files": {"same": True, "deleted": True, "listed": True},
        "batch": {"status": "completed", "id": "one", "text": ECHO, "listed": True},
        "fine_tuned": {"status": "succeeded", "listed": True, "text": ECHO},
        "models": {"found": True},
        "invoked": {"text": ECHO},
        "invoked_streamed": {"text": ECHO},
        "thinking": {"text": ECHO, "kinds": ["thinking", "text"]},
    }.get(case, {})


def check(saw: Any, case: str, protocol: str, lane: str = "direct") -> None:
    """Assert that what an SDK saw is what it must see."""
    wanted = expected(case, protocol)
    if "raised" in saw:
        through = case == "bad_key" and lane != "direct"  # the gateway's own word is 401, whatever the provider's is
        assert saw["status"] == (401 if through else wanted["status"])
        assert set(saw["raised"]) & set(str(wanted["raised"]).split())
        return
    if (case, lane) == ("files", "unified"):
        wanted = {**wanted, "same": False}  # each line of a batch is written anew: its model is checked and renamed
    told = {key: value for key, value in wanted.items() if key in saw}
    assert {key: saw[key] for key in told} == told
    if case == "embeddings":
        assert len(saw["vectors"]) == 2
        assert saw["vectors"][0] != saw["vectors"][1]
    else:
        assert told or not wanted, f"{saw} tells nothing of {wanted}"
    if case.startswith("streamed"):
        assert saw["pieces"] > 1
