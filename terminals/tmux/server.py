"""tmux servers as we use them: the private one of a state folder, and the user's own while a pane of it is adopted."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol

from quarterdeck.errors import Broken, Unreachable
from quarterdeck.process import Identity, alive, identity
from terminals import scope
from terminals.tmux import tool
from terminals.tmux.control import Control, TmuxError

SESSION = "quarterdeck"
KEEPER = "keeper"
"""The window that keeps the session when there is no agent."""

CONFIG = """\
# Written by Quarterdeck at every start of its private tmux server. Changes are lost.
set -s exit-empty off
set -g exit-unattached off
set -g destroy-unattached off
# An ended program leaves its pane, until a hook of that pane has kept the exit status and removed it.
set -g remain-on-exit on
set -g allow-rename off
set -g automatic-rename off
# window-size is set for each window: as a global option "manual" crashes tmux 3.3a when a session is made.
set -g status off
set -g history-limit 2000
set -s escape-time 0
set -s focus-events on
set -g default-terminal tmux-256color
set -s extended-keys on
# What a program does to a clipboard or to an outer terminal is seen in its output and decided there.
set -s set-clipboard off
set -gq allow-passthrough off
set -g update-environment ''
set -g default-shell /bin/sh
set -g default-command ''
set -g mouse off
set -g visual-bell off
set -g bell-action none
set -g monitor-bell off
set -g message-limit 20
"""
_STARTS = 5
_RECONNECTS = 5
_ENDS_WITHIN = 2


class Pane(Protocol):
    """A terminal in one pane, as its server sees it. Called on the event loop, must not block."""

    def look_again(self) -> None:
        """Something may have changed unseen: its window's layout, or the control client was away."""

    def server_lost(self, reason: str, *, orderly: bool) -> None:
        """The server is gone, and the pane with it. ``orderly``: it said goodbye, as when its last pane ended."""


class TmuxServer:
    """A tmux server, reached through one control client attached to ``session``; connected when first needed."""

    def __init__(self, socket: Path, session: str) -> None:
        self.socket, self.session = socket, session
        self.process: Identity | None = None
        """The server last connected to."""
        self._control: Control | None = None
        self._lock = asyncio.Lock()
        self._panes: dict[str, Pane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._farewell = False
        self.paste_raw = "-r"
        """Options with which ``paste-buffer`` leaves bytes alone in the server's version."""

    @property
    def tmux(self) -> str:
        """The tmux program. Raises Broken where there is none."""
        return tool.find()

    @property
    def control_pid(self) -> int | None:
        """Process id of the control client."""
        return self._control.pid if self._control is not None and self._control.open else None

    async def connect(self) -> Control:
        """The control client, connected again when it is gone.

        Raises Unreachable when the server is gone, Broken without tmux.
        """
        async with self._lock:
            return await self._connected()

    async def run(self, *commands: str, on: Identity | None = None) -> list[list[str]]:
        """See :meth:`Control.run`; a lost control client is replaced first.

        ``on`` is the server process that is meant: pane ids begin anew with a new one.
        """
        control = self._control
        if control is None or not control.open:
            control = await self.connect()
        if on is not None and on != self.process:
            raise Unreachable("the tmux server was killed", hint="its agents are lost; new ones start a new server")
        return await control.run(*commands)

    def follow(self, pane_id: str, pane: Pane) -> None:
        """Tell ``pane`` what happens to it."""
        self._panes[pane_id] = pane

    def forget(self, pane_id: str) -> None:
        """The end of :meth:`follow`."""
        if self._panes.pop(pane_id, None) is not None and not self._panes:
            self.idle()

    def idle(self) -> None:
        """The last terminal was forgotten: a user's server is left."""
        self._spawn(self._leave())

    async def _leave(self) -> None:
        async with self._lock:
            if not self._panes and self._control is not None:
                control, self._control = self._control, None
                await control.aclose()

    @property
    def panes(self) -> int:
        """How many terminals follow."""
        return len(self._panes)

    async def aclose(self) -> None:
        """Detach the control client; the server and its panes go on."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._lock:
            control, self._control = self._control, None
            if control is not None:
                await control.aclose()

    async def _connected(self) -> Control:
        if self._control is not None and self._control.open:
            return self._control
        environ = tool.environment()
        tmux = await asyncio.to_thread(tool.find)
        self._farewell = False
        control = await Control.connect(
            tmux, self.socket, self.session, environ=environ, note=self._note, lost=self._lost
        )
        try:
            pid, version = (await control.one("display-message -p '#{pid} #{version}'")).split(" ", 1)
            found = identity(int(pid))
        except BaseException:
            await control.aclose()
            raise
        if found is None:
            await control.aclose()
            raise Unreachable(f"the tmux server at {self.socket} is gone")
        self.paste_raw = "-r -S" if tool.numbers(version) >= (3, 7) else "-r"
        before, self.process, self._control = self.process, found, control
        if before is not None and before != found:
            self._all_lost("the tmux server was killed")
        return control

    def _note(self, name: str, text: str) -> None:
        if name in ("layout-change", "window-close", "unlinked-window-close"):
            for pane in list(self._panes.values()):
                pane.look_again()
        elif name == "exit":
            # the client says it itself for a server that died under it
            self._farewell = "unexpectedly" not in text

    def _lost(self) -> None:
        if self._panes:
            self._spawn(self._recover())

    async def _recover(self) -> None:
        """The control client ended: connect again while the server lives, else tell its panes."""
        orderly = self._farewell
        for turn in range(_RECONNECTS):
            if self.process is None or not alive(self.process):
                break
            try:
                await self.connect()
            except (Unreachable, TmuxError):
                # a server that is ending, or short of descriptors; or a user's session ended, and others are there
                self._session_ended()
                await asyncio.sleep(0.05 * 2**turn)
                continue
            for pane in list(self._panes.values()):
                pane.look_again()
            return
        lives = self.process is not None and alive(self.process)
        if lives:
            self._all_lost("the tmux server does not answer")
        else:
            self._all_lost("the tmux server was ended" if orderly else "the tmux server was killed", orderly=orderly)

    def _session_ended(self) -> None:
        """The session attached to may be no more: any other of the same server tells as much of a pane."""
        self.session = ""

    def _all_lost(self, reason: str, *, orderly: bool = False) -> None:
        panes, self._panes = self._panes, {}
        for pane in panes.values():
            pane.server_lost(reason, orderly=orderly)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="tmux server")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class PrivateServer(TmuxServer):
    """The server of one state folder, with its own socket and configuration in ``run``; started when first needed."""

    def __init__(self, run: Path) -> None:
        super().__init__(run / "tmux.sock", f"={SESSION}")
        self.config = run / "tmux.conf"

    def idle(self) -> None:
        """Stay connected: the next agent comes here."""

    def _session_ended(self) -> None:
        """There is no other session."""

    async def start(self) -> Control:
        """Have it running and be connected. Raises Broken (no tmux, or too old, or it does not start)."""
        async with self._lock:
            with contextlib.suppress(Unreachable):
                return await self._connected()
            tmux = await asyncio.to_thread(tool.find)
            self.config.write_text(CONFIG, encoding="utf-8")
            self.config.chmod(0o600)
            problem = ""
            for turn in range(_STARTS):
                if turn:
                    # an old server at its end still answers on the socket, and takes new clients down with it
                    await asyncio.sleep(0.02 * 2**turn)
                problem = await self._launch(tmux) or problem
                with contextlib.suppress(Unreachable):
                    control = await self._connected()
                    self._spawn(self._enter_scope())
                    return control
            raise Broken(
                f"the private tmux server does not start: {problem or 'it does not answer'}; nothing was started",
                hint="see: quarterdeck doctor",
                socket=os.fspath(self.socket),
            )

    async def end(self) -> None:
        """End the server with every pane in it, and remove what it leaves in the folder of sockets."""
        process = self.process
        with contextlib.suppress(Unreachable, TmuxError):
            await self.run("kill-server", on=process)
        async with self._lock:
            control, self._control = self._control, None
            if control is not None:
                # its output ends with the server
                await control.aclose()
        for _ in range(_ENDS_WITHIN * 100):
            if process is None or not alive(process):
                break
            await asyncio.sleep(0.01)
        if process is None or not alive(process):
            self.socket.unlink(missing_ok=True)
            self.config.unlink(missing_ok=True)

    async def _launch(self, tmux: str) -> str:
        """Start server and session; what went wrong, "" for nothing."""
        import libtmux  # see tool.find
        from libtmux import exc

        process = await asyncio.create_subprocess_exec(
            *(tmux, "-u", "-S", os.fspath(self.socket), "-f", os.fspath(self.config), "start-server"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=tool.environment(),
            cwd="/",
            start_new_session=True,
        )
        _, text = await process.communicate()
        if process.returncode:
            return text.decode(errors="replace").strip()
        server = libtmux.Server(socket_path=self.socket, config_file=os.fspath(self.config), tmux_bin=tmux)
        try:
            # a session needs a pane: this one's program has ended, and costs nothing
            await asyncio.to_thread(
                server.new_session, session_name=SESSION, window_name=KEEPER, window_command="true", x=80, y=24,
                start_directory="/",
            )  # fmt: skip
        except exc.TmuxSessionExists:
            pass
        except (exc.LibTmuxException, OSError) as error:
            return str(error)
        return ""

    async def _enter_scope(self) -> None:
        if self.process is not None:
            await scope.enter(f"tmux-{self.process.pid}", [self.process.pid])
