"""The app for a server of ASGI applications, which can listen where Streamlit's own can't: on a socket."""

from __future__ import annotations

from pathlib import Path

from streamlit.starlette import App

app = App(Path(__file__).parent / "main.py")
