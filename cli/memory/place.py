"""Which memory a verb means, and which entry of it; options all its verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import click
from click.shell_completion import CompletionItem

from cli.output import Output
from cli.overview import workspace
from cli.scope import Scope
from quarterdeck.errors import Invalid

Verb = TypeVar("Verb", bound=Callable[..., Any])
_KINDS = ("observation", "insight", "decision", "artifact", "error", "checkpoint", "note")


class Place(NamedTuple):
    """The memory that is meant, and who asks for it."""

    scope: Scope
    folder: str
    """A folder of the workspace, absolute; "" for the shared one."""

    def path(self, ref: str = "", verb: str = "", **query: Any) -> str:
        """The API path of an entry, or of all of them, for GET and DELETE."""
        parts = ["/v1/memory/entries", *([quote(ref, safe="")] if ref else []), *([verb] if verb else [])]
        return "/".join(parts) + "?" + self.query(**query)

    def query(self, **more: Any) -> str:
        """Query parameters; what is empty is left out."""
        pairs = [("workspace", self.folder), *more.items()]
        return urlencode([(name, value) for name, value in pairs if value not in ("", None, (), [], False)], doseq=True)

    def get(self, ref: str) -> dict[str, Any]:
        """One entry, with all of its text."""
        found: dict[str, Any] = self.scope.get(self.path(ref))
        return found

    def change(self, ref: str, verb: str = "", **body: Any) -> dict[str, Any]:
        """Change an entry."""
        path = f"/v1/memory/entries/{quote(ref, safe='')}" + (f"/{verb}" if verb else "")
        method = "POST" if verb else "PATCH"
        done: dict[str, Any] = self.scope.client.request(method, path, {"workspace": self.folder, **body})
        return done

    def post(self, what: str, **body: Any) -> dict[str, Any]:
        """Do something with all of it."""
        done: dict[str, Any] = self.scope.post(f"/v1/memory/{what}", {"workspace": self.folder, **body})
        return done


def in_memory(verb: Verb) -> Verb:
    """The options that say which memory is meant; the verb gets a :class:`Place` first."""

    @click.option("--shared", is_flag=True, help="The memory all workspaces share.")
    @click.option(
        "--workspace",
        "folder",
        type=click.Path(),
        metavar="DIR",
        help="The workspace whose memory it is (default: here).",
    )
    @wraps(verb)
    def within(*args: Any, shared: bool, folder: str | None, **options: Any) -> Any:
        scope: Scope = click.get_current_context().obj
        if shared and folder:
            raise Invalid("--shared and --workspace are two memories", hint="name one of them")
        return verb(Place(scope, "" if shared else _folder(scope, folder)), *args, **options)

    return within  # type: ignore[return-value]


def _folder(scope: Scope, folder: str | None) -> str:
    """The folder named; for an agent outside of git its session's workspace, as no repository says where it begins."""
    if folder:
        return os.path.abspath(os.path.expanduser(folder))
    here = workspace()
    agent = os.environ.get("QUARTERDECK_AGENT", "")
    if not agent or os.path.exists(os.path.join(here, ".git")):
        return here
    sessions = {one["id"]: one["workspace"] for one in scope.get("/v1/sessions")}
    mine = next((one["session"] for one in scope.get("/v1/agents") if one["id"] == agent), "")
    above = str(sessions.get(mine, here))
    return above if os.path.commonpath([here, above]) == above else here


def complete_entries(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the entries that changed last, with their keys; none where no orchestrator runs."""
    root = context.find_root()
    scope = Scope(root.params.get("home"), Output())
    with scope.running() as client:
        if client is None:
            return []
        folder = "" if context.params.get("shared") else str(context.params.get("folder") or workspace())
        page = client.request("GET", Place(scope, os.path.abspath(folder) if folder else "").path(limit=100))
    found = [(entry["id"], entry["key"]) for entry in page["entries"]]
    items = [CompletionItem(name, help=key) for name, key in found if name.startswith(incomplete)]
    return items or [CompletionItem(key) for _, key in found if key.startswith(incomplete)]


def entry_argument(verb: Verb) -> Verb:
    """The ENTRY argument: an id, the first characters of one, or a key."""
    return click.argument("ref", metavar="ENTRY", shell_complete=complete_entries)(verb)


def kind_option(**how: Any) -> Callable[[Verb], Verb]:
    """The ``--kind`` option."""
    return click.option("--kind", type=click.Choice(_KINDS), **how)


def filter_options(verb: Verb) -> Verb:
    """The options that say which entries are meant; the verb gets them as ``which``."""

    @click.option(
        "--namespace", multiple=True, metavar="NAME", help="workspace, session/NAME, agent/NAME; agent/: all."
    )
    @kind_option(multiple=True, help="Of this kind.")
    @click.option("--tag", multiple=True, metavar="TAG", help="With this tag; several times: with all of them.")
    @click.option("--author", multiple=True, metavar="WHO", help="Written by: person, agent/NAME, file, import.")
    @click.option("--pinned", is_flag=True, help="Only pinned ones.")
    @click.option("--conflict", is_flag=True, help="Only those a person has to decide about.")
    @click.option("--missing", is_flag=True, help="Only those whose file is not on this branch.")
    @click.option("--deleted", is_flag=True, help="The deleted ones.")
    @wraps(verb)
    def filtered(*args: Any, **options: Any) -> Any:
        names = ("namespace", "kind", "tag", "author", "pinned", "conflict", "missing", "deleted")
        which = {name: options.pop(name) for name in names}
        return verb(*args, which=which, **options)

    return filtered  # type: ignore[return-value]
