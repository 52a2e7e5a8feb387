"""A GGUF file on a Hugging Face hub: fetched over HTTP, resumed where a download was cut, checked by its hash.

The hub is `$HF_ENDPOINT`, which huggingface_hub reads itself, else the public one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tqdm.auto import tqdm

from workbench.errors import IntegrityError, InvalidInput, MissingComponent, NotFound, PermissionDenied, Unavailable
from workbench.local.manifest import sha256_of

PREFIX = "hf:"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORM = "hf:OWNER/REPO/FILE.gguf"


@dataclass(frozen=True)
class HubFile:
    """One GGUF file in a repository of a hub."""

    repo: str
    """`OWNER/REPO`."""
    file: str
    """Path inside the repository."""

    @classmethod
    def parse(cls, text: str) -> HubFile:
        """Read `hf:OWNER/REPO/FILE.gguf` or `hf:OWNER/REPO:FILE.gguf`; raises InvalidInput for anything else."""
        owner, _, rest = text.removeprefix(PREFIX).partition("/")
        repo, _, file = re.sub(":", "/", rest, count=1).partition("/") if ":" in rest else rest.partition("/")
        if not (owner and repo and file.endswith(".gguf")) or ".." in file.split("/"):
            raise InvalidInput(f"{text!r} names no GGUF file on a hub; expected {_FORM}.", param="name")
        return cls(f"{owner}/{repo}", file)

    @property
    def model_name(self) -> str:
        """The name that the model gets if none is given: the file's, in small letters."""
        return Path(self.file).stem.lower()

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}/{self.file}"


@dataclass(frozen=True)
class Fetched:
    """A file that came whole."""

    path: Path
    """Where the draft lies."""
    sha256: str
    """Its hash."""
    source: str
    """The file's name on the hub, with the commit."""


def fetch(file: HubFile, *, folder: Path, progress: bool, endpoint: str | None = None) -> Fetched:
    """Download a file into `folder`, going on where an earlier try was cut.

    The size, and the sha256 where the hub states one, must fit; else IntegrityError, and the next try starts over.
    """
    try:
        import huggingface_hub as hub  # noqa: PLC0415 - only models of a hub need it
        from huggingface_hub.file_download import http_get  # noqa: PLC0415
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # noqa: PLC0415
    except ImportError as error:
        raise MissingComponent(
            "Models of a hub are fetched by huggingface_hub, which is not installed.",
            hint="`pip install 'genai-workbench[local]'`",
        ) from error

    folder.mkdir(parents=True, exist_ok=True)
    with _translated(file):
        url = hub.hf_hub_url(file.repo, file.file, endpoint=endpoint)
        found = hub.get_hf_file_metadata(url, endpoint=endpoint)
        if found.etag is None:
            raise Unavailable(f"{urlsplit(url).netloc} states no ETag for {file}; it does not speak as a hub does.")
        draft = folder / f"{re.sub('[^0-9A-Za-z]', '', found.etag)[:64]}.part"
        headers = build_hf_headers()
        if urlsplit(found.location).netloc != urlsplit(url).netloc:
            headers.pop("authorization", None)  # a token of the hub is not for the store that it points to
        draft.touch()
        with draft.open("r+b") as target:
            had = target.seek(0, 2)
            if found.size is not None and had > found.size:
                had = target.seek(0)
                target.truncate()
            http_get(
                found.location,
                target,
                resume_size=had,
                headers=headers,
                expected_size=found.size,
                displayed_filename=Path(file.file).name,
                tqdm_class=tqdm if progress else _Silent,
            )
    sha256 = sha256_of(draft, progress=progress)
    if _SHA256.fullmatch(found.etag) and sha256 != found.etag:
        draft.unlink()
        raise IntegrityError(
            f"What came of {file} is not what the hub holds: its sha256 is {sha256}, expected {found.etag}.",
            hint="Pull it again; the download starts over.",
        )
    return Fetched(draft, sha256, f"{file}@{found.commit_hash}" if found.commit_hash else str(file))


class _Silent(tqdm):  # type: ignore[type-arg]
    """A progress bar that shows nothing."""

    def __init__(self, *args: object, **options: object) -> None:
        options.pop("name", None)
        super().__init__(*args, **{**options, "disable": True})  # type: ignore[call-overload]


@contextlib.contextmanager
def _translated(file: HubFile) -> Iterator[None]:
    import httpx  # noqa: PLC0415 - comes with huggingface_hub
    from huggingface_hub import errors as hub_errors  # noqa: PLC0415

    again = "What has come is kept; pull again to go on from there."
    try:
        yield
    except hub_errors.GatedRepoError as error:
        raise PermissionDenied(
            f"{file} is given only to those who accepted its terms.",
            hint="Accept them on the model's page, then `hf auth login`.",
        ) from error
    except (hub_errors.RepositoryNotFoundError, hub_errors.EntryNotFoundError, hub_errors.HFValidationError) as error:
        raise NotFound(f"The hub has no {file}, or does not show it to you.", hint=f"Expected {_FORM}.") from error
    except hub_errors.OfflineModeIsEnabled as error:
        raise Unavailable(f"{file} can't be fetched: HF_HUB_OFFLINE is set.", hint="Unset it and try again.") from error
    except (hub_errors.HfHubHTTPError, httpx.HTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise Unavailable(
            f"{file} could not be fetched: {reason}",
            hint=again,
            code="download_failed",
        ) from error
