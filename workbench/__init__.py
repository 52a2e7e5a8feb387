"""The GenAI workbench: experiments, prompts, retrieval and ratings over one gateway.

This is a light front hall: each name loads its room when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.interactive.pandas_watch import watch

if TYPE_CHECKING:
    from workbench.client import AsyncGateway as AsyncGateway
    from workbench.client import Gateway as Gateway
    from workbench.client.bedrock import bedrock as bedrock
    from workbench.client.usage import usage as usage
    from workbench.errors import WorkbenchError as WorkbenchError
    from workbench.interactive.answer import last as last
    from workbench.interactive.chat import chat as chat
    from workbench.interactive.history import history as history
    from workbench.interactive.offer import offer as offer
    from workbench.prompts import load as prompt
    from workbench.widgets import panel as panel

__version__ = "0.5.0"

_NAMES = {
    "Gateway": ("workbench.client", "Gateway"),
    "AsyncGateway": ("workbench.client", "AsyncGateway"),
    "WorkbenchError": ("workbench.errors", "WorkbenchError"),
    "bedrock": ("workbench.client.bedrock", "bedrock"),
    "chat": ("workbench.interactive.chat", "chat"),
    "history": ("workbench.interactive.history", "history"),
    "last": ("workbench.interactive.answer", "last"),
    "offer": ("workbench.interactive.offer", "offer"),
    "panel": ("workbench.widgets", "panel"),
    "prompt": ("workbench.prompts", "load"),
    "usage": ("workbench.client.usage", "usage"),
}
_ROOMS = (
    "errors",
    "evidence",
    "experiments",
    "feedback",
    "images",
    "prompts",
    "rag",
    "statistics",
    "tracking",
    "widgets",
)

__all__ = [
    "AsyncGateway",
    "Gateway",
    "WorkbenchError",
    "__version__",
    "bedrock",
    "chat",
    "errors",
    "evidence",
    "experiments",
    "feedback",
    "history",
    "images",
    "last",
    "offer",
    "panel",
    "prompt",
    "prompts",
    "rag",
    "statistics",
    "tracking",
    "usage",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module, attribute = _NAMES[name]
        value = getattr(import_module(module), attribute)
    elif name in _ROOMS:
        value = import_module(f"workbench.{name}")
    else:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


watch()
