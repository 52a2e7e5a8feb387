"""The texts of a prompt that a search may change, and the prompt that new texts make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workbench.errors import InvalidInput
from workbench.prompts import Prompt

REFLECTION = """You improve the instructions of a prompt. These are the present ones:
```
<curr_param>
```

Below are inputs that the prompt got, what was answered, and what was wrong or right with it:
```
<side_info>
```

Write better instructions. Name what the answers got wrong as general rules, not as rules about these inputs: other
inputs will come. Keep every placeholder in double braces, such as {{name}}, exactly as it stands, each at least once;
add none. Stay short. Put the new instructions, and nothing else, within ``` blocks."""


def texts_of(prompt: Prompt) -> dict[str, str]:
    """Return the texts by a name of their place; raises InvalidInput where a message is no text."""
    if isinstance(prompt.template, str):
        return {"text": prompt.template}
    texts = {}
    for number, message in enumerate(prompt.template, start=1):
        if not isinstance(message["content"], str):
            raise InvalidInput(f"Message {number} of {prompt.label} is no text: such a prompt can't be optimised yet.")
        texts[f"{message['role']} {number}"] = message["content"]
    return texts


def with_texts(prompt: Prompt, texts: Mapping[str, str]) -> Prompt:
    """Return a draft of the prompt with other texts; raises InvalidInput where they make none."""
    if isinstance(prompt.template, str):
        return replace(prompt, template=texts["text"], version=None, alias=None)
    messages = [
        {**message, "content": texts[f"{message['role']} {number}"]}
        for number, message in enumerate(prompt.template, start=1)
    ]
    return replace(prompt, template=messages, version=None, alias=None)


def fault(prompt: Prompt, texts: Mapping[str, str], *, longest: int) -> str | None:
    """Return why texts can't stand in for the prompt's own, in words for who wrote them; None: they can."""
    length = sum(map(len, texts.values()))
    if length > longest:
        return f"The instructions are {length} characters long; at most {longest} are allowed. Shorten them."
    try:
        draft = with_texts(prompt, texts)
    except InvalidInput as error:
        return error.message
    if missing := sorted(set(prompt.variables) - set(draft.variables)):
        return f"The placeholder {{{{{missing[0]}}}}} is missing. Keep it."
    if added := sorted(set(draft.variables) - set(prompt.variables)):
        return f"There is no placeholder {{{{{added[0]}}}}}. Leave it out."
    return None
