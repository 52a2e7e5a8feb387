"""`workbench rag`: ingest a folder, search it, and ask questions about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.gateway_in_use import gateway_in_use
from workbench.cli.options import json_option
from workbench.cli.tables import print_table

if TYPE_CHECKING:
    from workbench.rag import Answer, Convex, Embedder, Hit, ReciprocalRank

_index_option = click.option(
    "--index",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The index's folder.",
)
_embed_option = click.option(
    "--embed",
    "where",
    type=click.Choice(["gateway", "local"]),
    default="gateway",
    show_default=True,
    help="Where embeddings are computed; local: in this process, past the gateway.",
)
_mode_option = click.option(
    "--mode", type=click.Choice(["hybrid", "bm25", "vector"]), default="hybrid", show_default=True, help="Legs to use."
)
_fusion_option = click.option(
    "--fusion", type=click.Choice(["convex", "rrf"]), default="convex", show_default=True, help="How legs are fused."
)
_weight_option = click.option(
    "--dense-weight", type=click.FloatRange(0, 1), default=0.7, show_default=True, help="The vector leg's share."
)


@click.group()
def command() -> None:
    """Ingest documents and ask questions about them."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_index_option
@_embed_option
@click.option("--size", type=int, help="Longest chunk, in characters; default: as it was, else 700.")
@click.option("--overlap", type=int, help="Characters that a chunk repeats, at most; default: as it was, else 100.")
@click.option("--replace", is_flag=True, help="Make the index anew, also from another folder.")
@click.option("--allow-empty", is_flag=True, help="Take a folder without documents.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out files that can't be read, and list them.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def ingest(
    folder: Path,
    index: Path,
    *,
    where: str,
    size: int | None,
    overlap: int | None,
    replace: bool,
    allow_empty: bool,
    skip_unreadable: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Bring an index in step with the Markdown and text files of FOLDER."""
    from workbench import rag
    from workbench.rag.store import Store

    chunking = None
    store = Store(index)
    if size is not None or overlap is not None:
        kept = rag.Chunking(**store.read_manifest().chunking) if store.exists() and not replace else rag.Chunking()
        chunking = rag.Chunking(
            size=kept.size if size is None else size, overlap=kept.overlap if overlap is None else overlap
        )
    with _embedder(where, index if not replace else None) as embedder:
        report = rag.ingest(
            folder,
            index,
            embedder=embedder,
            chunking=chunking,
            replace=replace,
            allow_empty=allow_empty,
            on_error="skip" if skip_unreadable else "raise",
            progress=not quiet and not as_json,
        )
    if as_json:
        _print_json({**report.as_dict(), "written": report.written})
        return
    click.echo(str(report))
    for skipped in report.skipped:
        click.echo(f"  skipped {skipped}", err=True)


@command.command()
@click.argument("query")
@_index_option
@click.option("-k", type=int, default=5, show_default=True, help="Hits to show.")
@_mode_option
@_fusion_option
@_weight_option
@_embed_option
@json_option
def search(
    query: str, index: Path, *, k: int, mode: str, fusion: str, dense_weight: float, where: str, as_json: bool
) -> None:
    """Find the chunks that fit QUERY best. --mode bm25 needs no gateway."""
    from workbench import rag

    with _embedder("none" if mode == "bm25" else where, index) as embedder:
        opened = rag.Index.open(index, embedder=embedder)
        hits = opened.search(query, k, mode, fusion=_fusion(fusion, dense_weight))  # type: ignore[arg-type]
    if as_json:
        _print_json([_hit_row(hit) for hit in hits])
        return
    if not hits:
        click.echo("Nothing was found.")
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("rank", "score", "bm25", "vector"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("where")
    table.add_column("text")
    for hit in hits:
        # Documents are not to be trusted: rich must read no markup in them.
        from rich.text import Text

        figures = ("-" if value is None else f"{value:.2f}" for value in (hit.score, hit.bm25, hit.vector))
        place = Text(f"{hit.chunk.header}\n{hit.chunk.path}")
        table.add_row(str(hit.rank), *figures, place, Text(" ".join(hit.chunk.text.split())))
    print_table(table)


@command.command()
@click.argument("question")
@_index_option
@click.option("--model", default="smollm2-135m", show_default=True, help="The model that answers.")
@click.option("-k", type=int, default=3, show_default=True, help="Chunks to retrieve.")
@_mode_option
@_fusion_option
@_weight_option
@_embed_option
@click.option("--cite", is_flag=True, help="Ask the model to cite by itself; right for large models.")
@click.option("--strict", is_flag=True, help="Exit code 1 unless every sentence is supported by a source.")
@json_option
def ask(
    question: str,
    index: Path,
    *,
    model: str,
    k: int,
    mode: str,
    fusion: str,
    dense_weight: float,
    where: str,
    cite: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Answer QUESTION from the index, with citations that were checked."""
    from workbench import rag

    with gateway_in_use() as gateway:
        embedder: Embedder
        if where == "local":
            embedder = rag.LocalEmbedder(_model_of(index))
        else:
            embedder = rag.GatewayEmbedder(gateway, _model_of(index))
        opened = rag.Index.open(index, embedder=embedder)
        pipeline = rag.Pipeline(
            opened,
            gateway,
            model,
            k,
            mode=mode,  # type: ignore[arg-type]
            fusion=_fusion(fusion, dense_weight),
            cite=cite,
        )
        answer = pipeline.answer(question)
    if as_json:
        _print_json(answer.as_dict())
    else:
        _print_answer(answer)
    sys.exit(1 if strict and not answer.supported else 0)


def _print_answer(answer: Answer) -> None:
    click.echo(answer.text or "(no answer)")
    if answer.citations:
        click.echo()
    for citation in answer.citations:
        by = "cited by the model" if citation.origin == "model" else "attached by the check"
        quote = " ".join(citation.quote.split())
        click.echo(f'  [{citation.number}] {citation.path}:{citation.start}-{citation.end} "{quote}" ({by})')
    for statement in answer.unsupported:
        click.echo(f"  not supported: {statement.text} ({statement.reason})")
    click.echo()
    cost = "cost unknown" if answer.cost_usd is None else f"${answer.cost_usd:.6f}"
    call = (
        f"; {answer.model}, {cost}, {answer.latency_ms / 1000:.1f} s, {answer.request_id}" if answer.request_id else ""
    )
    click.echo(f"{answer.verdict}{call}")


def _hit_row(hit: Hit) -> dict[str, Any]:
    return {"rank": hit.rank, "score": hit.score, "bm25": hit.bm25, "vector": hit.vector, **hit.chunk.as_dict()}


def _fusion(name: str, dense_weight: float) -> Convex | ReciprocalRank:
    from workbench import rag

    return rag.Convex(dense_weight) if name == "convex" else rag.ReciprocalRank()


def _model_of(index: Path | None) -> str:
    """Return the embedding model of an index, or the default one where none stands."""
    from workbench.rag.embedders import DEFAULT_MODEL
    from workbench.rag.store import Store

    if index is None or not (store := Store(index)).exists():
        return DEFAULT_MODEL
    return store.read_manifest().model


@contextmanager
def _embedder(where: str, index: Path | None) -> Iterator[Embedder | None]:
    from workbench import rag

    if where == "none":
        yield None
    elif where == "local":
        yield rag.LocalEmbedder(_model_of(index))
    else:
        with gateway_in_use() as gateway:
            yield rag.GatewayEmbedder(gateway, _model_of(index))


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
