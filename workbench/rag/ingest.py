"""Bring an index in step with a folder: new and changed documents in, removed ones out, the rest untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm.auto import tqdm

from workbench.errors import Conflict, InvalidInput, WorkbenchError
from workbench.rag.analyzer import Analyzer
from workbench.rag.chunks import Chunk, Chunking, cut
from workbench.rag.documents import SUFFIXES, Document, Limits, Skipped, existing_folder, load_folder
from workbench.rag.embedders import DEFAULT_MODEL, Embedder, GatewayEmbedder, embed_whole
from workbench.rag.index import PROBE, Index, check_made_by, check_probe, write_chunks
from workbench.rag.lexical import LexicalLeg, Rows
from workbench.rag.manifest import Manifest, encode_probe
from workbench.rag.store import Store
from workbench.rag.vectors import VectorLeg, Vectors, normalised

_BATCH = 256


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did."""

    added: tuple[str, ...]
    """Documents that are new, by path."""
    changed: tuple[str, ...]
    """Documents whose text is another, or all of them where the chunking was changed."""
    removed: tuple[str, ...]
    """Documents that are no longer in the folder."""
    unchanged: tuple[str, ...]
    """Documents that were left as they are."""
    chunks: int
    """Chunks in the index now."""
    embedded: int
    """Chunks that had to be embedded; the others' vectors were known."""
    skipped: tuple[Skipped, ...] = ()
    """Files that could not be read, with `on_error="skip"`."""

    @property
    def written(self) -> bool:
        """Whether anything was written."""
        return bool(self.added or self.changed or self.removed)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        counts = ", ".join(
            f"{len(getattr(self, name))} {name}" for name in ("added", "changed", "removed", "unchanged")
        )
        skipped = f"; {len(self.skipped)} skipped" if self.skipped else ""
        return f"{counts}; {self.chunks} chunks, {self.embedded} embedded{skipped}"


def ingest(
    folder: str | Path,
    index: str | Path,
    *,
    embedder: Embedder | None = None,
    chunking: Chunking | None = None,
    analyzer: Analyzer | None = None,
    replace: bool = False,
    allow_empty: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    limits: Limits | None = None,
    progress: bool = True,
    lock_timeout: float = 60.0,
) -> IngestReport:
    """Bring the index at the path `index` in step with the Markdown and text files of `folder`.

    What is not given stays as it was when the index was made; a new index takes the defaults and embeds through the
    mounted gateway. An unchanged folder writes and embeds nothing; a chunk whose text is known is not embedded again.
    The index is replaced in one step at the end: until then, and after a kill, the old one is served.

    Raises InvalidInput for a folder that is missing, unreadable or (unless `allow_empty`) without documents; Conflict
    where the index belongs to another folder, analyzer or model (unless `replace`, which makes it anew), or where
    another process keeps writing to it for `lock_timeout` seconds.
    """
    root, store = existing_folder(folder), Store(index)
    with store.writing(timeout=lock_timeout):
        loaded = load_folder(root, limits=limits, on_error=on_error)
        if not loaded.documents and not allow_empty:
            raise InvalidInput(
                f"The folder {root} holds no documents.",
                hint=f"Documents are {', '.join(SUFFIXES)} files; allow_empty=True (--allow-empty) takes none.",
            )
        old = store.read_manifest() if store.exists() and not replace else None
        embedder = embedder or GatewayEmbedder(model=old.model if old else DEFAULT_MODEL)
        analyzer = analyzer or Analyzer(old.analyzer["language"] if old else "english")
        chunking = chunking or (Chunking(**old.chunking) if old else Chunking())
        place = str(root.resolve())
        if old is not None:
            _check_same_folder(old, place, where=store.path)
            check_made_by(old, where=store.path, embedder=embedder, analyzer=analyzer)
        report = _compare(loaded.documents, old, chunking, skipped=loaded.skipped)
        if old is not None and not report.written:
            return report
        known = Index.open(store.path, embedder=embedder, analyzer=analyzer) if old is not None else None
        update = _Update(known, analyzer, embedder, progress=progress)
        kept = set(report.unchanged)
        for document in loaded.documents:
            update.keep(document.path) if document.path in kept else update.add(cut(document, chunking))
        vectors, probe = update.vectors()
        manifest = Manifest(
            generation=_generation(store) + 1,
            written_at=datetime.now(UTC).isoformat(timespec="seconds"),
            folder=place,
            documents={document.path: document.hash for document in loaded.documents},
            chunks=len(update.chunks),
            chunking=asdict(chunking),
            analyzer={"language": analyzer.language, "fingerprint": analyzer.fingerprint},
            model=embedder.model,
            dimension=vectors.shape[1],
            probe=probe,
            parts={},
        )
        parts = {
            "chunks": write_chunks(update.chunks),
            "terms": LexicalLeg(update.terms).to_bytes(),
            "vectors": VectorLeg.of(vectors).to_bytes(),
        }
        store.write(manifest, parts)
    return IngestReport(
        report.added,
        report.changed,
        report.removed,
        report.unchanged,
        chunks=len(update.chunks),
        embedded=update.embedded,
        skipped=report.skipped,
    )


class _Update:
    """The rows of the next index, gathered from the old one and from new chunks."""

    def __init__(self, old: Index | None, analyzer: Analyzer, embedder: Embedder, *, progress: bool) -> None:
        self.chunks: list[Chunk] = []
        self.terms: list[list[str]] = []
        self.embedded = 0
        self._old = old
        self._analyzer = analyzer
        self._embedder = embedder
        self._progress = progress
        self._rows: dict[str, list[int]] = {}
        self._known: dict[str, int] = {}
        for row, chunk in enumerate(old.chunks if old else ()):
            self._rows.setdefault(chunk.path, []).append(row)
            self._known[_hash(chunk)] = row

    def keep(self, path: str) -> None:
        """Take over the rows of an unchanged document."""
        assert self._old is not None
        for row in self._rows.get(path, ()):
            self.chunks.append(self._old.chunks[row])
            self.terms.append(self._old.lexical.row_terms(row))

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Take in the chunks of a new or changed document."""
        for chunk in chunks:
            self.chunks.append(chunk)
            self.terms.append(self._analyzer.terms(chunk.indexed_text))

    def vectors(self) -> tuple[Vectors, str]:
        """Return the vectors of all rows, and the stored probe; only texts that are not known are embedded."""
        missing: dict[str, str] = {}
        for chunk in self.chunks:
            if (key := _hash(chunk)) not in self._known:
                missing.setdefault(key, chunk.indexed_text)
        self.embedded = len(missing)
        if self._old is not None and not missing:
            known = self._old.vectors.vectors()
            return known[self._numbers(self._known)], self._old.manifest.probe
        new = self._embed([PROBE, *missing.values()])
        probe = encode_probe(new[0])
        if self._old is not None:
            check_probe(self._old.manifest, new[:1], where=self._old.path)
            probe = self._old.manifest.probe
            known = self._old.vectors.vectors()
        else:
            known = np.empty((0, new.shape[1]), dtype=np.float32)
        # Old rows keep their number, the new ones come after them.
        rows = {**self._known, **{key: len(known) + number for number, key in enumerate(missing)}}
        stacked = np.concatenate([known, new[1:]])
        return stacked[self._numbers(rows)], probe

    def _numbers(self, rows: Mapping[str, int]) -> Rows:
        return np.asarray([rows[_hash(chunk)] for chunk in self.chunks], dtype=np.int64)

    def _embed(self, texts: list[str]) -> Vectors:
        dimension = self._old.manifest.dimension if self._old else None
        batches: list[Vectors] = []
        with tqdm(total=len(texts), desc="Embedding", unit="chunk", disable=not self._progress) as bar:
            for start in range(0, len(texts), _BATCH):
                batch = texts[start : start + _BATCH]
                rows = normalised(
                    embed_whole(self._embedder, batch),
                    count=len(batch),
                    dimension=dimension,
                    source=f"The model {self._embedder.model!r}",
                )
                dimension = rows.shape[1]
                batches.append(rows)
                bar.update(len(batch))
        return np.concatenate(batches)


def _hash(chunk: Chunk) -> str:
    return hashlib.sha256(chunk.indexed_text.encode()).hexdigest()


def _compare(
    documents: Sequence[Document], old: Manifest | None, chunking: Chunking, *, skipped: tuple[Skipped, ...]
) -> IngestReport:
    before = old.documents if old else {}
    same_cut = old is None or old.chunking == asdict(chunking)
    now = {document.path: document.hash for document in documents}
    both = [path for path in now if path in before]
    return IngestReport(
        added=tuple(path for path in now if path not in before),
        changed=tuple(path for path in both if now[path] != before[path] or not same_cut),
        removed=tuple(path for path in before if path not in now),
        unchanged=tuple(path for path in both if now[path] == before[path] and same_cut),
        chunks=old.chunks if old else 0,
        embedded=0,
        skipped=skipped,
    )


def _check_same_folder(old: Manifest, place: str, *, where: Path) -> None:
    if old.folder != place:
        raise Conflict(
            f"The index {where} was made of {old.folder}; ingesting {place} would remove its "
            f"{len(old.documents)} documents.",
            hint="Name another index, or pass replace=True (--replace) if that is meant.",
        )


def _generation(store: Store) -> int:
    """Return the generation that stands; it goes on counting when an index is replaced."""
    try:
        return store.read_manifest().generation if store.exists() else 0
    except WorkbenchError:  # a damaged manifest must not keep anybody from replacing it
        return 0
