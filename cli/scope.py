"""What every verb is handed: the state folder, the output, and the orchestrator's client when it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from cli.output import Output
from quarterdeck.errors import NotPermitted, Unreachable
from quarterdeck.paths import Paths, default_home
from quarterdeck.text import safe

if TYPE_CHECKING:
    from orchestrator.client import Client

Verb = TypeVar("Verb", bound=Callable[..., Any])


class Scope:
    """One run of the command line. Its :meth:`client` connects on first use and starts the orchestrator if needed."""

    def __init__(self, home: Path | None, out: Output) -> None:
        self.paths = Paths(home.expanduser().absolute() if home else default_home())
        self.out = out
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The orchestrator's client; the orchestrator is started by the first request where none runs."""
        if self._client is None:
            from orchestrator.client import Client

            self._client = Client(self.paths)
        return self._client

    @contextmanager
    def running(self) -> Iterator[Client | None]:
        """A client for an orchestrator that already runs; None where none does. Never starts one."""
        from orchestrator.client import Client

        client = Client(self.paths, start=False)
        try:
            client.request("GET", "/v1/health")
        except Unreachable:
            yield None
        else:
            yield client

    def for_person(self) -> None:
        """Raise NotPermitted inside an agent's terminal: for what is changed here, not by the orchestrator.

        An orchestrator that runs knows who asks; where none does, the mark in an agent's environment tells.
        """
        inside = os.environ.get("QUARTERDECK_AGENT", "")
        with self.running() as client:
            role = client.request("GET", "/v1/health")["role"] if client else "person"
        if inside or role != "person":
            where = f"agent {safe(inside, 40)}" if inside else "an agent"
            raise NotPermitted(
                f"this runs inside {where}, and an agent may not change what is yours",
                hint="do it outside of the agent's terminal",
                agent=inside,
            )

    def get(self, path: str) -> Any:
        """GET ``path`` from the orchestrator."""
        return self.client.request("GET", path)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST ``body`` to ``path``."""
        return self.client.request("POST", path, body or {})

    def agent(self, ref: str) -> dict[str, Any]:
        """The agent a person's reference names. Raises NotFound, or Invalid where it names several."""
        found: dict[str, Any] = self.get(agent_path(ref))
        return found


def agent_path(ref: str, verb: str = "") -> str:
    """The API path of the agent ``ref`` names: an id, a unique start of one, a name, or ``session/name``."""
    return f"/v1/agents/{quote(ref, safe='')}" + (f"/{verb}" if verb else "")


def runs(status: str) -> bool:
    """Whether an agent with this status has a program that runs."""
    return status not in ("exited", "failed", "lost", "interrupted")


def client_environment() -> dict[str, str]:
    """This process's environment, for an agent to run in. A value that is no UTF-8 cannot be sent and is left out."""
    return {name: value for name, value in os.environ.items() if _sendable(name) and _sendable(value)}


def _sendable(text: str) -> bool:
    return text.isascii() or text == text.encode("utf-8", "replace").decode("utf-8")


def _set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and isinstance(context.obj, Scope):
        context.obj.out.json = True


def json_option(verb: Verb) -> Verb:
    """The ``--json`` flag: one JSON document on stdout, errors as JSON on stderr."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_set_json, help="Print JSON for a program to read."
    )(verb)


def complete_agents(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of agents for shell completion; none where no orchestrator runs (completion never starts one)."""
    root = context.find_root()
    scope = Scope(root.params.get("home"), Output())
    with scope.running() as client:
        agents = client.request("GET", "/v1/agents") if client else []
    return sorted({agent["name"] for agent in agents if str(agent["name"]).startswith(incomplete)})


def agent_argument(verb: Verb) -> Verb:
    """The AGENT argument most verbs take."""
    return click.argument("agent", shell_complete=complete_agents)(verb)
