"""The folder of one server's key files: private, locked while the server lives, swept by the next one when it died."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from workbench.wire.cell import CellFile
from workbench_jupyter.relay.reference import reference_file

_LOCK = "server.lock"


class RuntimeFolder:
    """`run/jupyter/<server>/` below the home, mode 0700: `<kernel>.json`, and `<kernel>.id`, which names its key."""

    def __init__(self, home: Path) -> None:
        root = home / "run" / "jupyter"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (root.parent, root):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        # One server at a time makes and sweeps, else a sweeper could take a folder between its making and its locking.
        with FileLock(root / ".sweep.lock"):
            self.leftovers = _sweep(root)
            """Ids of the keys that servers had mounted when they were killed."""
            self.path = root / secrets.token_hex(8)
            """The folder itself."""
            self.path.mkdir(mode=0o700)
            # Any thread may release it, not only the one that took it.
            self._lock = FileLock(self.path / _LOCK, thread_local=False)
            self._lock.acquire()
        self.home = home
        """The home that it is in."""

    def key_file(self, kernel_id: str) -> Path:
        """Return the path of a kernel's key file."""
        return self.path / f"{quote(kernel_id, safe='')}.json"

    def name_key(self, kernel_id: str, *key_ids: str) -> None:
        """Note which keys a kernel has, for the one who sweeps if this server is killed."""
        self.key_file(kernel_id).with_suffix(".id").write_text("\n".join(key_ids), "utf-8")

    def forget(self, kernel_id: str) -> None:
        """Remove what is kept of a kernel."""
        key_file = self.key_file(kernel_id)
        for path in (key_file, key_file.with_suffix(".id"), CellFile(key_file).path, reference_file(key_file)):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder with everything in it; twice is fine."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _sweep(root: Path) -> tuple[str, ...]:
    """Remove the folders of dead servers; return the ids of the keys that they had mounted."""
    ids: list[str] = []
    for folder in (path for path in root.iterdir() if path.is_dir()):
        try:
            with FileLock(folder / _LOCK, timeout=0):
                ids += [key_id for path in folder.glob("*.id") for key_id in path.read_text("utf-8").split()]
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout:
            continue  # its server lives
    return tuple(ids)
