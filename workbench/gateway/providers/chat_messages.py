"""Are the messages of a chat what a translation can read? Each fault is named by its place."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.errors import InvalidInput

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def check_messages(messages: list[Any]) -> None:
    """Raise InvalidInput for the first message that no translation could carry over as it is meant."""
    called: set[str] = set()
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise _fault(f"{place}.role is {str(role)[:40]!r}.", f"Known: {', '.join(_ROLES)}.")
        if message.get("audio") is not None:
            raise _fault(
                f"{place}.audio is an answer that only the provider which spoke it knows.",
                "Send what was said as content, or name a model of that provider.",
            )
        for index, call in enumerate(message.get("tool_calls") or ()):
            called.add(_checked_call(call, f"{place}.tool_calls[{index}]"))
        if role == "tool" and message.get("tool_call_id") not in called:
            raise _fault(
                f"{place} answers the tool call {str(message.get('tool_call_id'))[:80]!r}, which no message before it "
                "makes.",
                "Send the assistant's message with its tool_calls, too.",
            )


def _checked_call(call: Any, place: str) -> str:
    """Return the id of a tool call whose arguments can be read."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        if isinstance(call, dict) and call.get("type") not in (None, "function"):
            return str(call.get("id"))  # of another type than ours to read
        raise _fault(f"{place} names no function.", "Send it as the model's answer had it.")
    arguments = function.get("arguments")
    try:
        read = msgspec.json.decode(arguments) if arguments else {}
    except (msgspec.DecodeError, TypeError):
        read = None
    if not isinstance(read, dict):
        raise _fault(
            f"{place}.function.arguments is {str(arguments)[:80]!r}, which is no JSON object.",
            "Send them as the model's answer had them; it may have been cut by max_tokens.",
        )
    return str(call.get("id"))


def _fault(message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, hint=hint, param="messages")
