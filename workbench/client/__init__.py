"""THE client of the gateway: notebooks, experiments, retrieval, the app and the extension share it.

It finds the gateway and a key by itself, is built on the official openai SDK, and raises the workbench's own errors.
"""

from __future__ import annotations

from workbench.client.async_gateway import AsyncGateway
from workbench.client.gateway import Gateway
from workbench.client.pictures import PictureResult
from workbench.client.results import ChatResult, PublishedPrompt
from workbench.client.stream import AsyncStream, Stream

__all__ = ["AsyncGateway", "AsyncStream", "ChatResult", "Gateway", "PictureResult", "PublishedPrompt", "Stream"]
