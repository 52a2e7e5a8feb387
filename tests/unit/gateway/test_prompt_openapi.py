"""The OpenAPI document of published prompts tells of routes that there are, with the bodies that they take."""

from pathlib import Path

import msgspec

from workbench.gateway.app import create_app
from workbench.gateway.published.openapi import ROWS, described
from workbench.settings import load_settings


def test_each_row_is_a_route_and_each_route_of_prompts_is_a_row(home: Path) -> None:
    routes = {
        (method.lower(), route.path)
        for route in create_app(load_settings())._app.routes  # type: ignore[attr-defined]
        for method in route.methods or ()
        if method != "HEAD"
    }
    rows = {(row.method, row.path) for row in ROWS}
    assert rows <= routes
    described = ("get", "/v1/prompts/openapi.json")
    assert {each for each in routes if each[1].startswith("/v1/prompts")} - {described} <= rows


def test_bodies_are_described_by_what_reads_them() -> None:
    told = described()
    schemas = told["components"]["schemas"]
    assert set(schemas["Word"]["required"]) == {"request_id", "value"}
    assert schemas["RolloutPlan"]["properties"]["min_n"]["default"] == 50
    body = told["paths"]["/v1/prompts/{reference}/rollout"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/RolloutWish"}
    msgspec.json.encode(told)


def test_what_may_be_asked_beside_the_path_is_described() -> None:
    asked = {(row.method, row.path): {name for name, place, _ in row.parameters if place == "query"} for row in ROWS}
    assert asked["get", "/v1/prompts/{reference}"] == {"user", "user_hash", "as_of"}
    assert asked["get", "/v1/prompts/requests"] == {"name", "alias", "state", "after", "limit"}
