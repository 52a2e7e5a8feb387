"""The table of paths: what of each kind of provider may be called, what is the whole account's, and what never is.

What is in no row does not exist here. Rows marked `shared` lead to what others in the same account have made: a key
may use them only if its scopes spell the path out, such as `/openai/v1/files*`; `*` and `/openai/*` do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from workbench.errors import MethodNotAllowed, NotFound, PermissionDenied, WorkbenchError
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.native.rule import GET, POST, Rule, call, listing, shared
from workbench.settings import Kind


def _openai(root: str) -> tuple[Rule, ...]:
    """Return OpenAI's data plane below a root, as Azure, vLLM and others have it too."""
    return (
        call(f"{root}/chat/completions", "chat"),
        call(f"{root}/completions", "chat"),
        call(f"{root}/responses", "responses"),
        call(f"{root}/responses/input_tokens", "nothing"),
        call(f"{root}/responses/compact", "responses"),
        call(f"{root}/embeddings", "usage"),
        call(f"{root}/moderations", "usage"),
        call(f"{root}/images/generations", "pictures"),
        call(f"{root}/images/edits", "pictures"),
        call(f"{root}/images/variations", "pictures"),
        call(f"{root}/audio/speech", "speech"),
        call(f"{root}/audio/transcriptions", "transcript"),
        call(f"{root}/audio/translations", "transcript"),
        call(f"{root}/rerank", "ranking"),
        listing(f"{root}/models"),
        Rule(f"{root}/models/{{model}}", GET, model="path"),
        Rule(f"{root}/realtime", GET, model="path", reads="live"),
        shared(f"{root}/models/{{id}}", "fine-tuned models", methods=frozenset({"DELETE"})),
        shared(f"{root}/chat/completions/**", "stored answers"),
        shared(f"{root}/responses/**", "stored answers"),
        *(
            shared(f"{root}/{name}/**", what)
            for name, what in {
                "files": "files", "uploads": "files", "batches": "batches", "fine_tuning": "fine-tuning jobs",
                "vector_stores": "vector stores", "assistants": "assistants", "threads": "threads",
                "conversations": "conversations", "evals": "evaluations", "containers": "containers",
                "videos": "videos",
            }.items()
        ),
    )  # fmt: skip


def _by_deployment() -> Iterator[Rule]:
    root = "/openai/deployments/{model}"
    for rule in _openai(root):
        if rule.model == "body":
            yield replace(rule, model="path")


_OPENAI = _openai("/v1")
_COMPATIBLE = (
    *_OPENAI,
    call("/v2/rerank", "ranking"),
    call("/rerank", "ranking"),
    call("/v1/score", "usage"),
    call("/score", "usage"),
    call("/pooling", "usage"),
    call("/classify", "usage"),
    call("/tokenize", "nothing"),
    call("/detokenize", "nothing"),
    # The same paths where the configured root does not end in /v1.
    *(replace(rule, pattern=rule.pattern.removeprefix("/v1")) for rule in _OPENAI if rule.shared is None),
    # Ollama's own; what pulls, pushes, makes or deletes models is the admin's.
    Rule("/api/chat", POST, model="body", reads="tokens"),
    Rule("/api/generate", POST, model="body", reads="tokens"),
    Rule("/api/embed", POST, model="body", reads="tokens"),
    Rule("/api/embeddings", POST, model="body", reads="tokens"),
    Rule("/api/show", POST, model="body"),
    listing("/api/tags"),
    listing("/api/version"),
    listing("/health"),
    listing("/version"),
)
_ANTHROPIC = (
    call("/v1/messages", "messages"),
    call("/v1/messages/count_tokens", "nothing"),
    call("/v1/complete", "messages"),
    listing("/v1/models"),
    Rule("/v1/models/{model}", GET, model="path"),
    shared("/v1/messages/batches/**", "batches"),
    shared("/v1/files/**", "files"),
    shared("/v1/skills/**", "skills"),
)


def _in_path(pattern: str, reads: str, **more: object) -> Rule:
    return Rule(pattern, POST, model="path", reads=reads, **more)  # type: ignore[arg-type]


def _google_verbs(model: str) -> tuple[Rule, ...]:
    """Return what Google's own models can be asked for, in the Gemini API and in Vertex."""
    return (
        _in_path(f"{model}:generateContent", "generate"),
        _in_path(f"{model}:streamGenerateContent", "generate", stream=True),
        _in_path(f"{model}:countTokens", "nothing"),
        _in_path(f"{model}:computeTokens", "nothing"),
        _in_path(f"{model}:embedContent", "generate"),
        _in_path(f"{model}:batchEmbedContents", "generate"),
        _in_path(f"{model}:predict", "predict"),
    )


_GEMINI = (
    listing("/{version}/models"),
    Rule("/{version}/models/{model}", GET, model="path"),
    *_google_verbs("/{version}/models/{model}"),
    call("/{version}/openai/chat/completions", "chat", speaks="openai"),
    call("/{version}/openai/embeddings", "usage", speaks="openai"),
    replace(listing("/{version}/openai/models"), speaks="openai"),
    Rule("/ws/{service}", GET, model="body", reads="live"),
    shared("/{version}/models/{model}:predictLongRunning", "operations"),
    shared("/{version}/models/{model}:batchGenerateContent", "batches"),
    shared("/{version}/models/{model}:asyncBatchEmbedContent", "batches"),
    *(
        shared(f"/{{version}}/{name}/**", what)
        for name, what in {
            "files": "files", "cachedContents": "cached contents", "tunedModels": "tuned models",
            "batches": "batches", "operations": "operations", "corpora": "corpora",
            "fileSearchStores": "file stores",
        }.items()
    ),
)  # fmt: skip

_VERTEX_MODEL = "/{version}/projects/{project}/locations/{location}/publishers/{publisher}/models/{model}"
_VERTEX_ROOT = "/{version}/projects/{project}/locations/{location}"
_VERTEX = (
    *_google_verbs(_VERTEX_MODEL),
    _in_path(f"{_VERTEX_MODEL}:rawPredict", "partner"),
    _in_path(f"{_VERTEX_MODEL}:streamRawPredict", "partner"),
    # Express mode: the path names no project, and is completed with the configured one.
    *_google_verbs("/{version}/publishers/{publisher}/models/{model}"),
    listing("/{version}/publishers/{publisher}/models"),
    Rule("/{version}/publishers/{publisher}/models/{model}", GET, model="path"),
    _in_path(f"{_VERTEX_ROOT}/endpoints/{{model}}:predict", "predict"),
    _in_path(f"{_VERTEX_ROOT}/endpoints/{{model}}:rawPredict", "predict"),
    _in_path(f"{_VERTEX_ROOT}/endpoints/{{model}}:generateContent", "generate"),
    _in_path(f"{_VERTEX_ROOT}/endpoints/{{model}}:streamGenerateContent", "generate", stream=True),
    call(f"{_VERTEX_ROOT}/endpoints/openapi/chat/completions", "chat", speaks="openai"),
    Rule("/ws/{service}", GET, model="body", reads="live"),
    Rule("/ws/{service}/BidiGenerateContent", GET, model="body", reads="live"),
    shared(f"{_VERTEX_MODEL}:predictLongRunning", "operations"),
    shared(f"{_VERTEX_MODEL}:fetchPredictOperation", "operations"),
    *(
        shared(f"{_VERTEX_ROOT}/{name}/**", what)
        for name, what in {
            "cachedContents": "cached contents", "batchPredictionJobs": "batch jobs", "tuningJobs": "tuning jobs",
            "models": "tuned models", "operations": "operations", "ragCorpora": "corpora",
        }.items()
    ),
)  # fmt: skip
_BEDROCK = (
    _in_path("/model/{model}/converse", "converse"),
    _in_path("/model/{model}/converse-stream", "converse", stream=True),
    _in_path("/model/{model}/invoke", "invoke"),
    _in_path("/model/{model}/invoke-with-response-stream", "invoke", stream=True),
    _in_path("/model/{model}/count-tokens", "nothing"),
    Rule("/guardrail/{id}/version/{version}/apply", POST),
    call("/openai/v1/chat/completions", "chat", speaks="openai"),
    shared("/async-invoke/**", "asynchronous jobs"),
)

RULES: Mapping[Kind, tuple[Rule, ...]] = {
    "openai": _OPENAI,
    "azure": (
        *_openai("/openai/v1"),
        *_by_deployment(),
        call("/openai/responses", "responses"),
        call("/models/chat/completions", "chat"),
        call("/models/embeddings", "usage"),
        call("/anthropic/v1/messages", "messages", speaks="anthropic"),
        call("/anthropic/v1/messages/count_tokens", "nothing", speaks="anthropic"),
        listing("/openai/models"),
        Rule("/openai/models/{model}", GET, model="path"),
        Rule("/openai/realtime", GET, model="path", reads="live"),
        shared("/openai/responses/**", "stored answers"),
        *(
            shared(f"/openai/{name}/**", name.replace("_", " "))
            for name in ("files", "batches", "fine_tuning", "vector_stores", "assistants", "threads", "deployments")
        ),
    ),
    "anthropic": _ANTHROPIC,
    "gemini": _GEMINI,
    "vertex": _VERTEX,
    "bedrock": _BEDROCK,
    "openai_compatible": _COMPATIBLE,
    "local": _COMPATIBLE,
}
"""Paths that exist, by kind of provider, the first that fits counting."""

_ADMIN, _BILLS = "the account's administration", "the account's bills"
_CREDENTIAL = "a credential of the provider's own, which would go round the gateway"
_SERVER = "the server's administration"
_OPENAI_NEVER = {
    "/v1/organization": _ADMIN, "/v1/organizations": _ADMIN, "/v1/projects": _ADMIN, "/v1/usage": _BILLS,
    "/v1/dashboard": _BILLS, "/dashboard": _BILLS, "/v1/realtime/client_secrets": _CREDENTIAL,
    "/v1/realtime/sessions": _CREDENTIAL, "/v1/realtime/transcription_sessions": _CREDENTIAL,
    "/v1/realtime/calls": "a line to the provider that would go round the gateway",
}  # fmt: skip
_COMPATIBLE_NEVER = _OPENAI_NEVER | {
    "/api/pull": _SERVER, "/api/push": _SERVER, "/api/create": _SERVER, "/api/copy": _SERVER, "/api/delete": _SERVER,
    "/v1/load_lora_adapter": _SERVER, "/v1/unload_lora_adapter": _SERVER, "/metrics": _SERVER, "/sleep": _SERVER,
}  # fmt: skip
NEVER: Mapping[Kind, Mapping[str, str]] = {
    "openai": _OPENAI_NEVER,
    "azure": {
        **{f"/openai{path}": what for path, what in _OPENAI_NEVER.items()},
        "/openai/realtimeapi": _CREDENTIAL,
    },
    "anthropic": {"/v1/organizations": _ADMIN, "/v1/organization": _ADMIN},
    "gemini": {"/v1alpha/auth_tokens": _CREDENTIAL, "/v1beta/auth_tokens": _CREDENTIAL},
    "openai_compatible": _COMPATIBLE_NEVER,
    "local": _COMPATIBLE_NEVER,
}
"""Paths that no key may call, and what they lead to; what is below them is meant too."""
_SLASH_IN_NAMES = frozenset({"bedrock", "openai_compatible", "local"})
"""Kinds whose models have names with a slash: ARNs, and those of hubs."""
_MAGIC = re.compile(r"[*?\[]")
_NEVER_ENDING = (":getIamPolicy", ":setIamPolicy", ":testIamPermissions")


@dataclass(frozen=True, slots=True)
class Place:
    """A path that was found in the table."""

    rule: Rule
    """The row."""
    names: Mapping[str, str]
    """What stands in the path for each of the row's names."""


def find(kind: Kind, provider: str, method: str, path: str) -> Place | WorkbenchError:
    """Return the row of a path, or the error that a caller gets who may use the provider."""
    if what := _never(kind, path):
        return PermissionDenied(
            f"No key may call /{provider}{path[:200]}: it leads to {what}.",
            hint="That is done with the provider itself, by the admin.",
            code="path_denied",
        )
    place = _place(kind, method, path)
    if place is not None:
        return place
    methods = {method for rule in RULES.get(kind, ()) if rule.match(path) is not None for method in rule.methods}
    if methods and not _has_strange_slash(kind, path):
        return MethodNotAllowed(
            f"/{provider}{path[:200]} does not take {method[:20]}.", hint=f"It takes {', '.join(sorted(methods))}."
        )
    if kind == "litellm":
        return NotFound(
            f"Provider {provider!r} has no paths of its own: the gateway translates for it.",
            hint="Call its models by the unified API below /v1.",
        )
    return NotFound(
        f"The gateway knows no path {path[:200]!r} of provider {provider!r} (kind {kind}).",
        hint="The SDK's base URL is the gateway's with the provider's name behind it.",
    )


@lru_cache(maxsize=2048)
def _place(kind: Kind, method: str, path: str) -> Place | None:
    if _has_strange_slash(kind, path):
        return None
    for rule in RULES.get(kind, ()):
        if rule.allows(method) and (names := rule.match(path)) is not None:
            return Place(rule, names)
    return None


def _has_strange_slash(kind: Kind, path: str) -> bool:
    return "%2F" in path and kind not in _SLASH_IN_NAMES


@lru_cache(maxsize=2048)
def _never(kind: Kind, path: str) -> str | None:
    for never, what in NEVER.get(kind, {}).items():
        if path == never or path.startswith(never + "/"):
            return what
    return "who may do what in the account" if path.endswith(_NEVER_ENDING) else None


def names_shared(scopes: Scopes, provider: str, rule: Rule, path: str) -> bool:
    """Tell whether a key's scopes spell out a path to what is shared: a pattern that begins with all that is fixed."""
    whole = f"/{provider}{path}"
    fixed = f"/{provider}{path[: _length(rule, path)]}"
    return any(
        _MAGIC.split(pattern)[0].rstrip("/").startswith(fixed) and Scopes(paths=(pattern,)).allow_path(whole)
        for pattern in scopes.paths
    )


def names_collection(scopes: Scopes, provider: str, collection: str) -> bool:
    """Tell whether a key's scopes spell out a collection of a provider, whatever stands before it."""
    fixed = [_MAGIC.split(pattern)[0] for pattern in scopes.paths]
    return any(one.startswith(f"/{provider}/") and f"/{collection}" in one for one in fixed)


def _length(rule: Rule, path: str) -> int:
    """Return how much of a path its row fixes: up to the collection's name, with the names before it filled in."""
    parts = rule.pattern.removesuffix("/**").split("/")
    while parts and "{" in parts[-1] and ":" not in parts[-1]:
        parts.pop()
    return len("/".join(path.split("/")[: len(parts)]))
