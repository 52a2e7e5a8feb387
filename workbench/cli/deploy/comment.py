"""What stands above a file: what it is for, and how its key is rotated."""

from __future__ import annotations

from workbench.cli.deploy.target import Target


def rotation(target: Target, text: str) -> list[str]:
    """Return how the files are used and the key is rotated, in lines."""
    namespace = target.namespace
    return text.format(
        use_case=target.use_case,
        app=target.app,
        key=target.key_id or "OLD_KEY_ID",
        in_namespace=f" -n {namespace}" if namespace else "",
        again=target.again,
    ).splitlines()


def header(target: Target, text: str) -> str:
    """Return the comment; YAML and environment files write it alike."""
    made = f"Use case {target.use_case}, application {target.app}; written by `workbench deploy`. Commit no secret."
    return "".join(f"# {line}\n" for line in (made, *rotation(target, text)))
