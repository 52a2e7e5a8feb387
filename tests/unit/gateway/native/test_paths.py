"""The table of paths: what may be called, with which method, and where the model is named."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from workbench.errors import MethodNotAllowed, NotFound, PermissionDenied
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.native.paths import RULES, Place, find, names_collection, names_shared
from workbench.gateway.native.reading import READERS
from workbench.settings import Kind

VERTEX = "/v1beta1/projects/p/locations/l"

FOUND: list[tuple[Any, str, str, str, str | None]] = [
    ("openai", "POST", "/v1/chat/completions", "chat", None),
    ("openai", "GET", "/v1/models/ft:gpt-4o:org::id", "nothing", "ft:gpt-4o:org::id"),
    ("openai", "HEAD", "/v1/models", "nothing", None),
    ("azure", "POST", "/openai/deployments/my gpt/chat/completions", "chat", "my gpt"),
    ("azure", "POST", "/openai/v1/embeddings", "usage", None),
    ("azure", "POST", "/anthropic/v1/messages", "messages", None),
    ("anthropic", "POST", "/v1/messages", "messages", None),
    ("gemini", "POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent", "generate", "gemini-2.5-flash"),
    ("gemini", "POST", "/v1/models/text-embedding-004:batchEmbedContents", "generate", "text-embedding-004"),
    ("gemini", "POST", "/v1beta/openai/chat/completions", "chat", None),
    ("vertex", "POST", f"{VERTEX}/publishers/google/models/imagen-4:predict", "predict", "imagen-4"),
    ("vertex", "POST", f"{VERTEX}/publishers/anthropic/models/claude@1:rawPredict", "partner", "claude@1"),
    ("vertex", "POST", f"{VERTEX}/endpoints/42:predict", "predict", "42"),
    ("bedrock", "POST", "/model/arn:aws:x%2Fy/converse-stream", "converse", "arn:aws:x/y"),
    ("bedrock", "POST", "/model/amazon.nova-lite-v1:0/invoke", "invoke", "amazon.nova-lite-v1:0"),
    ("openai_compatible", "POST", "/api/chat", "tokens", None),
    ("openai_compatible", "POST", "/chat/completions", "chat", None),
    ("openai_compatible", "GET", "/v1/models/org%2Fmodel", "nothing", "org/model"),
    ("local", "POST", "/v1/embeddings", "usage", None),
]


@pytest.mark.parametrize(("kind", "method", "path", "reads", "model"), FOUND)
def test_a_path_of_the_table_is_found(kind: Any, method: str, path: str, reads: str, model: str | None) -> None:
    place = find(kind, "p", method, path)
    assert isinstance(place, Place)
    assert (place.rule.reads, place.names.get("model")) == (reads, model)
    assert place.rule.shared is None


@pytest.mark.parametrize(
    ("kind", "method", "path", "error"),
    [
        ("openai", "GET", "/v1/embeddings", MethodNotAllowed),
        ("openai", "POST", "/v1/nothing", NotFound),
        ("openai", "POST", "/chat/completions", NotFound),
        ("openai", "POST", "/v1/chat/completionsx", NotFound),
        ("openai", "POST", "/x/v1/chat/completions", NotFound),
        ("openai", "GET", "/v1/organization/users", PermissionDenied),
        ("openai", "POST", "/v1/realtime/client_secrets", PermissionDenied),
        ("azure", "GET", "/openai/v1/organization", PermissionDenied),
        ("anthropic", "GET", "/v1/organizations/api_keys", PermissionDenied),
        ("gemini", "POST", "/v1alpha/auth_tokens", PermissionDenied),
        ("gemini", "POST", "/v1beta/models/a/b:generateContent", NotFound),
        ("gemini", "POST", "/x/models/a:generateContent", NotFound),
        ("gemini", "POST", "/v1beta/models/tunedModels%2Fx:generateContent", NotFound),
        ("openai", "GET", "/v1/models/a%2Fb", NotFound),
        ("vertex", "POST", f"{VERTEX}/models/1:setIamPolicy", PermissionDenied),
        ("vertex", "GET", f"{VERTEX}/customJobs", NotFound),
        ("bedrock", "GET", "/foundation-models", NotFound),
        ("bedrock", "POST", "/model/a/b/converse", NotFound),
        ("openai_compatible", "POST", "/api/pull", PermissionDenied),
        ("openai_compatible", "GET", "/metrics", PermissionDenied),
        ("litellm", "POST", "/v1/chat/completions", NotFound),
    ],
)
def test_any_other_is_refused(kind: Any, method: str, path: str, error: type[Exception]) -> None:
    assert isinstance(find(kind, "p", method, path), error)


def test_every_kind_has_its_rows_and_every_row_its_reader() -> None:
    assert set(RULES) == set(get_args(Kind)) - {"litellm"}
    known = {*READERS, "nothing", "live"}
    assert [rule.pattern for rules in RULES.values() for rule in rules if rule.reads not in known] == []


SHARED: list[tuple[Any, str, list[str], list[str]]] = [
    ("openai", "/v1/files/file-1/content", ["/openai/v1/files*", "/openai/v1/files/*", "/openai/v1/files/file-1/*"],
     ["*", "/openai/*", "/openai/v1/*", "/openai/v1/f*", "/azure/v1/files*", "/openai/v1/files/file-2*"]),
    ("gemini", "/v1beta/cachedContents", ["/gemini/v1beta/cachedContents*"], ["*", "/gemini/*", "/gemini/v1beta/*"]),
    ("vertex", f"{VERTEX}/cachedContents/1", [f"/vertex{VERTEX}/cachedContents*"], ["*", f"/vertex{VERTEX}/*"]),
    ("openai", "/v1/responses/resp_1", ["/openai/v1/responses/*"], ["*", "/openai/v1/*"]),
    ("bedrock", "/async-invoke", ["/bedrock/async-invoke*"], ["*", "/bedrock/*"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "enough", "too_wide"), SHARED)
def test_what_is_shared_must_be_spelt_out(kind: Any, path: str, enough: list[str], too_wide: list[str]) -> None:
    place = find(kind, kind, "GET", path)
    assert isinstance(place, Place)
    assert place.rule.shared is not None
    for pattern in enough:
        assert names_shared(Scopes(paths=("*", pattern)), kind, place.rule, path), pattern
    assert not names_shared(Scopes(paths=tuple(too_wide)), kind, place.rule, path)


def test_a_collection_that_a_body_reads_from_must_be_spelt_out_too() -> None:
    assert names_collection(Scopes(paths=("*", "/openai/v1/responses/*")), "openai", "responses")
    assert not names_collection(Scopes(paths=("*", "/openai/*", "/azure/openai/v1/responses*")), "openai", "responses")
