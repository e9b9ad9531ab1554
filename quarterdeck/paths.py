"""Where state lives, and how files are written so that they never tear.

``$QUARTERDECK_HOME``, else ``$XDG_STATE_HOME/quarterdeck``, else ``~/.local/state/quarterdeck``. Folders are
0700, files 0600.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.errors import Broken

SOCKET_PATH_LIMIT = 100
"""Bytes; ``sun_path`` holds 108 on Linux and 104 on macOS, with the closing NUL."""

SPOOL_VARIABLE = "QUARTERDECK_SPOOL"
"""Names the folder into which an agent's hooks put their events."""
SPOOL_PREFIX = "hooks-"
"""``agents/<id>/hooks-<random>/tmp, new, asks``: one spool per life of an agent."""
SPOOL_NOTE = "hooks"
"""The file in an agent's folder that holds the name of its present spool."""
PORT_NOTE = "port"
"""The file in an agent's folder that holds the port on 127.0.0.1 chosen for its present run."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "lustre", "glusterfs", "fuse.glusterfs"}
)


@dataclass(frozen=True)
class Paths:
    """The layout of one state folder. Pure: nothing is created until :meth:`prepare`."""

    home: Path

    @property
    def database(self) -> Path:
        return self.home / "state.db"

    @property
    def agents(self) -> Path:
        return self.home / "agents"

    @property
    def trash(self) -> Path:
        return self.home / "trash"

    @property
    def worktrees(self) -> Path:
        return self.home / "worktrees"

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    @property
    def memory(self) -> Path:
        """One folder for each memory bank, and ``shared``."""
        return self.home / "memory"

    @property
    def installs(self) -> Path:
        """What was changed in settings files of other programs, so that it can be undone."""
        return self.home / "installs"

    @property
    def kept(self) -> Path:
        """The last sound texts of the person's own ``config.toml`` and ``policy.toml``."""
        return self.home / "kept"

    @property
    def log(self) -> Path:
        return self.home / "log" / "orchestrator.jsonl"

    @property
    def run(self) -> Path:
        """Sockets, lock and pid file; a short folder under /tmp where the path would pass the limit."""
        run = self.home / "run"
        longest = run / "h-0123456789abcdef.sock"
        if len(os.fsencode(longest)) <= SOCKET_PATH_LIMIT:
            return run
        import hashlib  # costly to import, seldom needed

        digest = hashlib.sha256(os.fsencode(self.home.resolve())).hexdigest()[:16]
        return Path(f"/tmp/quarterdeck-{os.getuid()}") / digest  # noqa: S108  private_folder checks its owner

    @property
    def socket(self) -> Path:
        """The orchestrator's Unix socket."""
        return self.run / "api.sock"

    @property
    def lock(self) -> Path:
        """Held with flock by the living orchestrator; the one proof that it lives."""
        return self.run / "orchestrator.lock"

    def agent(self, agent_id: str) -> Path:
        """The folder of one agent."""
        return self.agents / agent_id

    def holder_socket(self, agent_id: str) -> Path:
        """Where the holder (or pane writer) of one agent listens."""
        return self.run / f"h-{agent_id}.sock"

    def prepare(self) -> None:
        """Create the folders 0700. Raises :class:`Broken` where the place cannot be used."""
        kind = file_system(self.home)
        if kind in NETWORK_FILE_SYSTEMS:
            raise Broken(
                f"the state folder {self.home} is on a network file system ({kind}): SQLite and locks fail there",
                hint="set QUARTERDECK_HOME to a folder on a local disk",
                path=str(self.home),
            )
        for folder in (self.home, self.agents, self.trash, self.worktrees, self.backups, self.log.parent, self.run):
            private_folder(folder)


def private_folder(folder: Path) -> None:
    """Create ``folder`` 0700 and refuse one that somebody else owns. Raises :class:`Broken`."""
    try:
        if folder.parent.name == f"quarterdeck-{os.getuid()}":
            _shared_parent(folder.parent)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid == os.getuid() and status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise Broken(
            f"cannot use {folder}: {error.strerror or error}; nothing was changed",
            hint="set QUARTERDECK_HOME to a folder you may write to",
            path=str(folder),
        ) from error
    if status.st_uid != os.getuid():
        raise Broken(
            f"{folder} belongs to another user (uid {status.st_uid})",
            hint="set QUARTERDECK_HOME to a folder of your own",
            path=str(folder),
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Broken(
            f"no permission to write to {folder}",
            hint="set QUARTERDECK_HOME to a folder you may write to",
            path=str(folder),
        )


def _shared_parent(folder: Path) -> None:
    """Create a folder in /tmp, where anybody might have made it before us, as a link or as their own."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, f"{folder} belongs to somebody else")
    folder.chmod(0o700)


def user_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a person's own ``config.toml``, ``profiles/``, ``themes/`` and ``layouts/`` lie."""
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path("~/.config").expanduser()) / "quarterdeck"


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The state folder the environment names."""
    if home := environ.get("QUARTERDECK_HOME"):
        return Path(home).expanduser().absolute()
    base = Path(environ.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path("~/.local/state").expanduser()) / "quarterdeck"


def file_system(path: Path) -> str:
    """The type of the file system that holds ``path`` (or its nearest existing parent); "" where unknown."""
    here = path.absolute()
    while not os.path.exists(here) and here != here.parent:
        here = here.parent
    target = os.fspath(here.resolve())
    best, kind = "", ""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                _, point, this_kind, *_ = line.split(" ")
                point = point.replace("\\040", " ")
                if (target == point or target.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
                    best, kind = point, this_kind
    except OSError:
        return ""
    return kind


def write_file(path: Path, data: bytes, mode: int = 0o600, *, check: Callable[[], None] | None = None) -> None:
    """Replace ``path`` with ``data`` so that a crash leaves the old file or the new one: temp, fsync, rename, fsync.

    The file has ``mode``, whatever it had before. ``check`` is called right before the rename; what it raises leaves
    everything as it was.
    """
    import tempfile  # costly to import, and readers need it never

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if check is not None:
            check()
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    sync_folder(path.parent)


NO_FILE = (errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG)
"""What :func:`read_file` raises OSError with where a name leads to no regular file at all."""


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a small file that a stranger may have put there: never waits on a pipe, never reads without end.

    Raises OSError, also for what is no regular file or is larger than ``limit`` bytes.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(handle)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))
    return data


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def boot_id() -> str:
    """Names this boot of the machine; "" where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
