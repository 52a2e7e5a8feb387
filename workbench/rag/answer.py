"""An answer with its evidence, and how it is shown: a model's and a document's words are text, never markup."""

from __future__ import annotations

import html
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.rag.citations import Citation, Statement
from workbench.rag.index import Hit
from workbench.wire.usage import Usage

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$&])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_ORIGINS = {"model": "cited by the model, confirmed", "check": "attached by the check"}


@dataclass(frozen=True)
class Answer:
    """What a pipeline answers. It has what a `ChatResult` has, so an experiment takes it as an output."""

    text: str
    """The answer with the citations that hold, `Within 30 days [1].`"""
    citations: tuple[Citation, ...]
    """Every place that is cited, in the order of the text."""
    hits: tuple[Hit, ...]
    """What was retrieved; a hit's rank is its source number."""
    supported: bool
    """Whether every sentence is supported by what was retrieved; False for an abstention."""
    request_id: str | None
    """The model's call in the gateway's ledger; None where no model was asked."""
    cost_usd: float | None
    """US dollars of the model's call; None if the price is unknown."""
    question: str
    """What was asked."""
    statements: tuple[Statement, ...] = ()
    """The sentences of the answer, each judged."""
    abstained: bool = False
    """Whether nothing near enough was found, so that no model was asked."""
    raw_text: str = ""
    """The model's own words, its own citations included."""
    model: str | None = None
    """The model that answered."""
    usage: Usage = field(default_factory=Usage)
    """Tokens of the model's call."""
    latency_ms: float = 0.0
    """Milliseconds from question to answer: search, model and check."""
    finish_reason: str | None = None
    """Why the model ended: `stop`, `length`."""
    images: tuple[bytes, ...] = ()
    """None: an answer is text."""
    raw: Any = field(default=None, repr=False, compare=False)
    """The client's result of the model's call."""

    @property
    def cost(self) -> float | None:
        """US dollars of the model's call; None if the price is unknown."""
        return self.cost_usd

    @property
    def unsupported(self) -> tuple[Statement, ...]:
        """The sentences that no source supports."""
        return tuple(statement for statement in self.statements if not statement.supported)

    @property
    def verdict(self) -> str:
        """Return in one line how far the answer can be trusted."""
        if self.abstained:
            return "No source is near enough to the question, so no model was asked."
        if not self.statements:
            return "The model gave no answer."
        if self.supported:
            return "Every sentence is supported by a source."
        return f"{len(self.unsupported)} of {len(self.statements)} sentences are not supported by the sources."

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {
            "question": self.question,
            "text": self.text,
            "supported": self.supported,
            "abstained": self.abstained,
            "citations": [asdict(citation) for citation in self.citations],
            "statements": [asdict(statement) for statement in self.statements],
            "hits": [
                {"rank": hit.rank, "score": hit.score, "bm25": hit.bm25, "vector": hit.vector, **hit.chunk.as_dict()}
                for hit in self.hits
            ],
            "raw_text": self.raw_text,
            "model": self.model,
            "request_id": self.request_id,
            "cost_usd": self.cost_usd,
            "usage": self.usage.as_dict(),
            "latency_ms": self.latency_ms,
            "finish_reason": self.finish_reason,
        }

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        sources = [
            f'  [{each.number}] {each.path}: "{" ".join(each.quote.split())}" ({_ORIGINS[each.origin]})'
            for each in self.citations
        ]
        return "\n".join([self.text or "(no answer)", *sources, self.verdict])

    def to_markdown(self) -> str:
        """Return the answer, its sources and its flags as Markdown."""
        lines = [_plain(self.text) or "*no answer*", ""]
        lines += [
            f"- \\[{citation.number}\\] {_plain(self._header(citation))} ({_plain(citation.path)}): "
            f'"{_plain(citation.quote)}" *{_ORIGINS[citation.origin]}*'
            for citation in self.citations
        ]
        lines += [f"- **not supported**: {_plain(part.text)} *{_plain(part.reason)}*" for part in self.unsupported]
        return "\n".join([*lines, "", f"*{self.verdict}*"])

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        sentences = " ".join(_sentence(statement) for statement in self.statements) or html.escape(self.text)
        rows = "".join(
            f"<li>[{citation.number}] <b>{html.escape(self._header(citation))}</b> "
            f"<code>{html.escape(citation.path)}</code>: “{html.escape(citation.quote)}” "
            f'<span style="opacity:.6">{_ORIGINS[citation.origin]}</span></li>'
            for citation in self.citations
        )
        sources = f'<ul style="margin:.5em 0;font-size:90%">{rows}</ul>' if rows else ""
        return (
            f'<div style="white-space:pre-wrap">{sentences}</div>{sources}'
            f'<div style="opacity:.6;font-size:85%">{html.escape(self.verdict)}</div>'
        )

    def _header(self, citation: Citation) -> str:
        return next(hit.chunk.header for hit in self.hits if hit.rank == citation.number)


def _sentence(statement: Statement) -> str:
    text = html.escape(statement.cited_text)
    if statement.supported:
        return text
    reason = html.escape(f"not supported: {statement.reason}", quote=True)
    return f'<span style="text-decoration:underline wavy;opacity:.8" title="{reason}">{text}</span>'


def _plain(text: str) -> str:
    return _MARKDOWN.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), " ".join(text.split()))
