"""A session that is there, written as the project file that asks for it."""

from __future__ import annotations

from cli.projects.carrying import asked_of, session_path
from cli.scope import Scope
from quarterdeck.errors import Invalid, Refused
from quarterdeck.layout import loads as stored
from quarterdeck.layoutfile import named
from quarterdeck.project import agent_out, dumps, parse, session_out
from quarterdeck.text import safe


def project_of(scope: Scope, ref: str) -> tuple[str, list[str]]:
    """The text of the file, and one line for each agent that no file can ask for.

    ``up`` of it changes nothing. Raises :class:`Refused` where the session is too large for one file.
    """
    session = scope.get(session_path(ref))
    found = asked_of(scope, session["id"])
    workspace = str(session["workspace"])
    kept = [one for one in found if not one["adopted"]]
    problems = [f"{safe(one['name'])} is left out: it is a pane of your own tmux" for one in found if one["adopted"]]
    ids = {str(one["name"]): str(one["id"]) for one in kept}
    layout = named(stored(session["layout"]), ids) if session["layout"] else None
    agents = {str(one["name"]): agent_out(one, workspace) for one in kept}
    if layout is not None:  # a file's order is that of its panels
        order = [name for tab in layout.tabs for name in tab.agents]
        agents = {name: agents[name] for name in order}
    text = dumps({str(session["name"]): session_out(workspace, str(session["goal"]), agents, layout)})
    try:
        parse(text.encode(), "project.toml")
    except Invalid as error:  # more agents, or longer commands, than a file may have
        raise Refused(f"session {session['name']} cannot be written as a file: {error.message}") from error
    return text, problems
