"""How the configuration names a secret: by a reference to where it is kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workbench.settings.table import Table
from workbench.settings.values import is_secret_like, is_variable_name

REFERENCES = {
    "env": '{ env = "NAME" }',
    "file": '{ file = "path" }',
    "aws": '{ aws = "default" }',
    "google": '{ google = "default" }',
    "azure": '{ azure = "default" }',
}
"""How each form of a credential is written."""
REFERENCE = f"a reference: {', '.join(list(REFERENCES.values())[:-1])} or {REFERENCES['azure']}"


class Credential(Table):
    """A reference to a secret: exactly one of its fields."""

    env: str | None = Field(None, description="name of an environment variable", examples=["OPENAI_API_KEY"])
    file: str | None = Field(
        None, description="path of a file that holds the secret alone, from the configuration's folder",
        examples=["openai.key"],
    )  # fmt: skip
    aws: str | None = Field(
        None, min_length=1, description="bedrock: 'default' for AWS's own chain (environment, files, container or "
        "instance role), or the name of a profile",
    )  # fmt: skip
    google: Literal["default"] | None = Field(None, description="vertex: Google's application default credentials")
    azure: Literal["default"] | None = Field(
        None,
        description="azure: Entra, by client secret, workload identity or managed identity, as the environment tells",
    )

    @property
    def holds_secret(self) -> bool:
        """Whether what is named holds the secret itself; else a cloud's sign-in gets it."""
        return self.env is not None or self.file is not None

    @model_validator(mode="before")
    @classmethod
    def _is_one_reference(cls, value: object) -> object:
        if isinstance(value, Credential):
            return value
        if isinstance(value, str):
            raise ValueError(f"a secret may not stand in the file; expected {REFERENCE}")
        if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= REFERENCES.keys():
            raise ValueError(f"expected {REFERENCE}")
        ((kind, name),) = value.items()
        if isinstance(name, str) and (is_secret_like(name) or (kind == "env" and not is_variable_name(name))):
            right = {"env": "the name of an environment variable that holds", "file": "the path of a file that holds"}
            raise ValueError(f"expected {right.get(kind, 'what names')} the secret, not the secret itself")
        return value
