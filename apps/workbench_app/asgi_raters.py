"""The app for an address that others reach: the page behind links to rate, and nothing else."""

from __future__ import annotations

from workbench_app.asgi import app
from workbench_app.audience import serve_raters_only

serve_raters_only()

__all__ = ["app"]
