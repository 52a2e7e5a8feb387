"""Navigation of the app; each page is one file in `views`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from workbench_app.visitor import may_see_all, sign_in

VIEWS = Path(__file__).parent / "views"
PAGES = (
    ("compare.py", "Compare", ":material/balance:"),
    ("rate.py", "Rate", ":material/star:"),
    ("leaderboard.py", "Leaderboard", ":material/leaderboard:"),
    ("results.py", "Results", ":material/table_chart:"),
    ("promote.py", "Promote", ":material/rocket_launch:"),
    ("keys.py", "Keys", ":material/key:"),
)
LINK = "t"  # the parameter of the address that holds a link's token

st.set_page_config(page_title="GenAI workbench", page_icon=":material/science:", layout="wide")
everything = may_see_all()
by_link = LINK in st.query_params or not everything
vote = st.Page(
    VIEWS / "vote.py", title="Vote", icon=":material/how_to_vote:", url_path="vote", visibility="hidden",
    default=not everything,
)  # fmt: skip
pages = [
    st.Page(VIEWS / file, title=title, icon=icon, default=file == "compare.py", url_path=Path(file).stem)
    for file, title, icon in PAGES
    if everything
]
page = st.navigation([*pages, vote], position="hidden" if by_link else "top")
if not by_link:
    sign_in()
page.run()
