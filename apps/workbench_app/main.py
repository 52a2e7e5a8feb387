"""Navigation of the app; each page is one file in `views`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from workbench_app.visitor import sign_in

VIEWS = Path(__file__).parent / "views"
PAGES = (
    ("compare.py", "Compare", ":material/balance:"),
    ("rate.py", "Rate", ":material/star:"),
    ("results.py", "Results", ":material/table_chart:"),
    ("promote.py", "Promote", ":material/rocket_launch:"),
    ("keys.py", "Keys", ":material/key:"),
)

st.set_page_config(page_title="GenAI workbench", page_icon=":material/science:", layout="wide")
pages = [
    st.Page(VIEWS / file, title=title, icon=icon, default=file == "compare.py", url_path=Path(file).stem)
    for file, title, icon in PAGES
]
page = st.navigation(pages, position="top")
sign_in()
page.run()
