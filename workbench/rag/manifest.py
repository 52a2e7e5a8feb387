"""What an index says of itself: the one file that decides which others belong to it, and how they were made."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench.errors import IntegrityError
from workbench.rag.vectors import Vectors

FORMAT = 1
_FILE_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}\.[a-z]+")


@dataclass(frozen=True)
class Part:
    """One file of the index."""

    name: str
    """File name beside the manifest; it holds the start of the checksum."""
    sha256: str
    """Checksum of its bytes, in hex."""
    size: int
    """Its length, in bytes."""


@dataclass(frozen=True)
class Manifest:
    """The state of an index after one ingest."""

    generation: int
    """1 after the first ingest, one more after each that changed something."""
    written_at: str
    """UTC time in ISO 8601."""
    folder: str
    """The folder that was ingested, as an absolute path."""
    documents: dict[str, str]
    """SHA-256 of the text of each document, by path."""
    chunks: int
    """Rows of the id map; both legs have as many."""
    chunking: dict[str, int]
    """`size` and `overlap`, in characters."""
    analyzer: dict[str, str]
    """`language` and `fingerprint`."""
    model: str
    """Name of the embedding model."""
    dimension: int
    """Length of its vectors."""
    probe: str
    """The model's embedding of a fixed text: little-endian float32 in base64."""
    parts: dict[str, Part]
    """Files by what they hold: `chunks` (the id map), `terms`, `vectors`."""

    def probe_vector(self) -> Vectors:
        """Return the stored probe as one row."""
        return np.frombuffer(base64.b64decode(self.probe), dtype="<f4").astype(np.float32).reshape(1, -1)

    def to_bytes(self) -> bytes:
        """Return canonical JSON with a checksum over itself."""
        fields = {"format": FORMAT, **asdict(self)}
        return (json.dumps({**fields, "checksum": _checksum(fields)}, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, raw: bytes, *, where: str) -> Manifest:
        """Read a manifest; raises IntegrityError where it is damaged or of another format."""
        try:
            fields = json.loads(raw)
            checksum, version = fields.pop("checksum"), fields["format"]
            if version != FORMAT:
                raise IntegrityError(
                    f"{where} has format {version!r}, this version of the workbench reads {FORMAT}.",
                    hint="Ingest the folder into a new index.",
                )
            if checksum != _checksum(fields):
                raise ValueError("its checksum does not fit")
            del fields["format"]
            parts = {kind: Part(**part) for kind, part in fields.pop("parts").items()}
            if not all(_FILE_NAME.fullmatch(part.name) for part in parts.values()):
                raise ValueError("it names a file that is none of its own")
            return cls(**fields, parts=parts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{where} is damaged: {error}.", hint="Ingest the folder into a new index.") from error


def encode_probe(vector: Vectors) -> str:
    """Return one vector as it stands in a manifest."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _checksum(fields: dict[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
