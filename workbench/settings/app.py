"""`[app]`: where colleagues reach the Streamlit app, and who they are to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workbench.settings.table import Table
from workbench.settings.values import http_url


class AppSettings(Table):
    """The Streamlit app."""

    url: Annotated[str, AfterValidator(http_url)] | None = Field(
        None,
        description="where colleagues reach it, which links to rate begin with; default: where `workbench up` runs it",
        examples=["https://studio.example.com"],
    )
    visitors: Literal["owner", "raters"] = Field(
        "owner",
        description="who comes without a name: this machine's user ('owner'), for an app that nobody else reaches; or "
        "somebody who may vote by a link and see nothing else ('raters')",
    )
    user_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="header in which a proxy that signs people in names the visitor, such as X-Forwarded-User; who "
        "comes without it may only vote by a link. Nobody promotes in the app then, and keys are had by showing an "
        "identity token. The proxy must be the only way in, and drop what callers send",
    )
    guests: bool = Field(
        True, description="whether a link that names nobody lets in who has no name; else it asks for a personal one"
    )
