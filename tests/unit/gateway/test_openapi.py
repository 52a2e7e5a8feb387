"""The OpenAPI document tells of every route there is, with the bodies that are read; `/docs` tells people the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from workbench.gateway.app import create_app
from workbench.gateway.door import Door
from workbench.gateway.openapi.whole import ROWS, whole
from workbench.settings import load_settings


@pytest.fixture
def app(home: Path) -> Door:
    return create_app(load_settings(home=home))


def routes(app: Door) -> Iterator[tuple[str, str]]:
    for route in app._app.routes:  # type: ignore[attr-defined]
        for method in route.methods or ():
            if method != "HEAD":
                yield method.lower(), route.path.replace(":path}", "}")


def test_each_route_is_described_and_nothing_else_is(app: Door) -> None:
    described = {(row.method, row.path) for row in ROWS}
    assert described == set(routes(app)) - {("get", "/v1/prompts/openapi.json")}
    assert len(described) == len(ROWS)


def test_names_in_paths_are_parameters() -> None:
    for row in ROWS:
        named = {name for name, place, _ in row.parameters if place == "path"}
        assert set(re.findall(r"{(\w+)}", row.path)) == named, row.path


def test_the_document_is_whole() -> None:
    told = whole()
    names = [one["operationId"] for path in told["paths"].values() for one in path.values()]
    assert len(names) == len(set(names)) == len(ROWS)
    schemas = told["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', msgspec.json.encode(told).decode())) <= set(schemas)
    assert set(schemas["KeyWish"]["properties"]) == {
        "kind", "owner", "use_case", "note", "expires_in", "scopes", "limits", "budget",
    }  # fmt: skip
    assert schemas["KeyWish"]["required"] == ["kind"]
    assert told["paths"]["/healthz"]["get"]["security"] == []
    assert told["paths"]["/admin/v1/keys"]["post"]["tags"] == ["an admin"]


async def test_both_are_served_to_everybody_and_run_nothing(app: Door) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        document = await client.get("/openapi.json")
        assert (document.status_code, document.json()["openapi"]) == (200, "3.1.0")
        page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert page.text.count("<details>") == len(ROWS)
    for answer in (document, page):
        assert answer.headers["x-request-id"].startswith("req_")
