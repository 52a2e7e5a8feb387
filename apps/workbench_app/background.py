"""What the app's process does beside its pages: MLflow is loaded before the first visitor, feedback drained into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from workbench.errors import WorkbenchError
from workbench.feedback.draining import Draining
from workbench.settings import load_settings
from workbench.tracking import connect
from workbench_app.audience import app_settings


@asynccontextmanager
async def background(_app: Any) -> AsyncIterator[None]:
    """Run while the app runs. What fails here is told by the page that needs it."""
    await asyncio.to_thread(_load)
    # An app that strangers reach has no right to the gateway's feedback.
    draining = Draining(load_settings(credentials=False)) if app_settings().visitors == "owner" else None
    if draining is not None:
        draining.start()
    try:
        yield
    finally:
        if draining is not None:
            await asyncio.to_thread(draining.stop)


def _load() -> None:
    try:
        connect()
    except WorkbenchError:
        return
