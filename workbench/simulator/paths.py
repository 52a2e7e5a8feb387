"""Every path of every simulated provider, in one table."""

from __future__ import annotations

from functools import lru_cache

from workbench.simulator import anthropic, azure, bedrock, clouds, compatible, gemini, ollama, vertex
from workbench.simulator.bedrock.signature import signed
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai import paths as openai
from workbench.simulator.openai.family import OPENAI
from workbench.simulator.protocol import Family, Path
from workbench.simulator.reply import Refused

_FAMILY_OF = (
    ("/openai/", azure.AZURE),
    ("/v1/messages", anthropic.ANTHROPIC),
    ("/v1/projects/", vertex.VERTEX),
    ("/v1beta1/", vertex.VERTEX),
    ("/v1beta/", gemini.GEMINI),
    ("/model/", bedrock.BEDROCK),
    ("/api/", ollama.OLLAMA),
)
"""In whose shape an unknown path is refused."""


class Table:
    """The rows, found by method, path and the headers that tell protocols apart."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = paths
        self._candidates = lru_cache(maxsize=4096)(self._matching)

    def find(self, exchange: Exchange) -> tuple[Path | None, Family]:
        """Return the row of a request, and the family that answers; fills in the exchange's `params`."""
        for path, params in self._candidates(exchange.method, exchange.path):
            if path.header is None or path.header in exchange.headers:
                exchange.params, exchange.provider = dict(params), path.family.name
                exchange.region = exchange.region or _region_of(exchange)
                return path, path.family
        family = next((family for start, family in _FAMILY_OF if exchange.path.startswith(start)), OPENAI)
        return None, family

    def unknown(self, exchange: Exchange) -> Refused:
        """Return the refusal of a path that no row has, or that takes other methods."""
        methods = {path.method for path in self._paths if path.match(exchange.path) is not None}
        if methods:
            return Refused(405, f"{exchange.path} takes {', '.join(sorted(methods))}.")
        return Refused(404, f"Unknown path: {exchange.path}.")

    def _matching(self, method: str, text: str) -> tuple[tuple[Path, dict[str, str]], ...]:
        rows = ((path, path.match(text)) for path in self._paths if path.method == method)
        return tuple((path, params) for path, params in rows if params is not None)


def _region_of(exchange: Exchange) -> str | None:
    """Return the region where the protocol tells it: Vertex in the path, Bedrock in the scope of the signature."""
    signature = signed(exchange)
    return exchange.params.get("location") or (signature.region if signature is not None else None)


_TABLES = (anthropic, gemini, vertex, bedrock, openai, azure, ollama, clouds, compatible)

TABLE = Table((*(path for table in _TABLES for path in table.PATHS), *openai.OTHERS))
