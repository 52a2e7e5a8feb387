"""The app for a server of ASGI applications: at a port, or on a socket, where Streamlit's own server can't listen."""

from __future__ import annotations

from pathlib import Path

from starlette.middleware import Middleware
from streamlit import config
from streamlit.starlette import App

from workbench_app.background import background
from workbench_app.guests import Guests

# Streamlit reads its variables only where its own command starts it. It calls nobody, and offers no deployment.
for name, value in {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "server.fileWatcherType": "none",
    "server.headless": True,
}.items():
    config.set_option(name, value)
app = App(Path(__file__).parent / "main.py", middleware=[Middleware(Guests)], lifespan=background)
