"""OpenAI's protocol at others' addresses: in-house servers without `/v1`, the Gemini API, Vertex AI."""

from __future__ import annotations

from dataclasses import replace

from workbench.simulator.gemini import family as gemini
from workbench.simulator.openai import paths
from workbench.simulator.openai.family import OPENAI
from workbench.simulator.protocol import Path
from workbench.simulator.vertex import family as vertex

_AT_GEMINI = replace(OPENAI, name="gemini", admit=gemini.admit)
_AT_VERTEX = replace(OPENAI, name="vertex", admit=vertex.admit)
_OF_GOOGLE = ("chat/completions", "embeddings", "models", "models/{model*}", "images/generations")


def _rows() -> list[Path]:
    rows: list[Path] = []
    for path in paths.PATHS:
        rest = path.pattern.removeprefix("/v1/")
        rows.append(replace(path, pattern=f"/{rest}"))
        if rest in _OF_GOOGLE and path.method != "DELETE":
            rows.append(replace(path, pattern=f"/v1beta/openai/{rest}", family=_AT_GEMINI))
        if rest == "chat/completions":
            root = "projects/{project}/locations/{location}/endpoints/openapi"
            rows += [replace(path, pattern=f"/{v}/{root}/{rest}", family=_AT_VERTEX) for v in ("v1", "v1beta1")]
    return rows


PATHS = tuple(_rows())
