"""``completion``: the script that lets a shell complete verbs, options and agents."""

from __future__ import annotations

import click

from cli.scope import Scope

_WHERE = {
    "bash": "echo 'source <(quarterdeck completion bash)' >> ~/.bashrc",
    "zsh": "echo 'source <(quarterdeck completion zsh)' >> ~/.zshrc",
    "fish": "quarterdeck completion fish > ~/.config/fish/completions/quarterdeck.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    scope: Scope = context.obj
    kind = get_completion_class(shell)
    assert kind is not None, "the choices above are those click has"
    root = context.find_root().command
    scope.out.write(kind(root, {}, "quarterdeck", "_QUARTERDECK_COMPLETE").source() + "\n")
    if scope.out.tty:
        scope.out.note(f"to keep it: {_WHERE[shell]}")
