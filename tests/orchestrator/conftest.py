import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from orchestrator.client import Client
from orchestrator.lock import owner
from quarterdeck.errors import QuarterdeckError
from quarterdeck.paths import Paths
from quarterdeck.process import identity

DEADLINE = 30.0


def eventually(look, what="it"):
    """Poll ``look`` until it returns something true; returns that."""
    end = time.monotonic() + DEADLINE
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {DEADLINE:.0f} s; last seen: {found!r}")
        time.sleep(0.01)


def processes_of(folder):
    """Pids of living processes that name ``folder`` in their command line or environment."""
    needle = os.fsencode(str(folder))
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{name}/cmdline").read_bytes() + Path(f"/proc/{name}/environ").read_bytes()
                if needle in text and identity(int(name)):
                    found.append(int(name))
    return found


class Place:
    """A state folder of its own, a workspace, and the environment that names them. ``close`` leaves nothing behind."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="qo-", dir="/tmp"))
        self.workspace = self.root / "work"
        self.workspace.mkdir()
        self.paths = Paths(self.root / "home")
        self.environ = {
            "HOME": str(self.root),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "QUARTERDECK_HOME": str(self.paths.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }
        self.client = Client(self.paths)

    def new(self, *argv, name="", **more):
        """Start an agent that runs ``argv``."""
        wish = {
            "profile": "custom",
            "workspace": str(self.workspace),
            "argv": list(argv),
            "name": name,
            "environ": self.environ | {"PS1": "$ "},
        }
        return self.client.request("POST", "/v1/agents", wish | more)

    def type(self, agent, **body):
        return self.client.request("POST", f"/v1/agents/{agent['id']}/input", body)

    def screen(self, agent):
        return self.client.request("GET", f"/v1/agents/{agent['id']}/screen?format=text")

    def shows(self, agent, text):
        """Wait until the agent's screen holds ``text``; returns the screen."""
        return eventually(
            lambda: (s := self.screen(agent)) if text in self.screen(agent) else "", f"{text!r} on screen"
        )

    def status(self, agent):
        return self.client.request("GET", f"/v1/agents/{agent['id']}")["status"]

    def pid(self):
        """The orchestrator's pid, 0 when none runs."""
        who = owner(self.paths)
        return who.pid if who else 0

    def kill(self):
        """kill -9 the orchestrator and wait until it is gone."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: owner(self.paths) is None, "the death of the orchestrator")
        return pid

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            if pid := self.pid():
                os.kill(pid, signal.SIGCONT)
        if (self.paths.agents).exists() and any(self.paths.agents.iterdir()):
            with contextlib.suppress(QuarterdeckError):
                self.client.request("GET", "/v1/health")
        with contextlib.suppress(QuarterdeckError):
            self.client.stop(agents=True)
        left = []
        try:
            eventually(lambda: not processes_of(self.root), "the end of all processes")
        except AssertionError:
            left = [(pid, Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in processes_of(self.root)]
            for pid, _ in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)
        assert not left


@pytest.fixture(autouse=True, scope="session")
def _no_user_settings():
    """The person's own settings must not matter, here or in what is started."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("QUARTERDECK_")]:
            patch.delenv(name)
        folder = tempfile.mkdtemp(prefix="qo-config-")
        patch.setenv("XDG_CONFIG_HOME", folder)
        yield
        shutil.rmtree(folder)


@pytest.fixture
def place():
    """A state folder with no orchestrator yet."""
    place = Place()
    yield place
    place.close()


@pytest.fixture(scope="session")
def shared(_no_user_settings):
    """One orchestrator for all tests that harm nobody."""
    place = Place()
    yield place
    place.close()


@pytest.fixture
def until():
    return eventually
