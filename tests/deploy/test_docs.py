"""What docs/ci.md says is so: its links and options, and the script that any shell may run."""

import re
from pathlib import Path
from typing import Any

import click

from cli.run import run
from cli.sparc import sparc

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "ci.md"
TEXT = PAGE.read_text()


def blocks(heading: str) -> list[str]:
    """The shell scripts under a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    assert len(links) > 10
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_every_option_is_there() -> None:
    verbs: list[click.Command] = [run, *sparc.commands.values()]
    known = {word for verb in verbs for option in verb.params for word in option.opts}
    used = set(re.findall(r"--[a-z][a-z-]+", TEXT.split("## Dagger")[0] + TEXT.split("## Secrets")[1]))
    assert used <= known, used - known
    dagger = set(re.findall(r"--([a-z][a-z-]+)", TEXT.split("## Dagger")[1].split("## Secrets")[0]))
    module = (ROOT / "deploy" / "ci" / "dagger" / "src" / "quarterdeck_dagger" / "main.py").read_text()
    names = {name.replace("_", "-") for name in re.findall(r"^        (\w+): ", module, re.MULTILINE)}
    names |= set(re.findall(r"(\w+): str", module))
    assert dagger <= names | {"path"}, dagger - names


def test_the_script_for_any_shell(job: Any) -> None:
    (script,) = blocks("Any shell")
    job.manifest("[parameters.TASK]\n[steps.a]\nrun = 'echo $TASK > task.txt'\n", "nightly.toml")
    process = job.start(["sh", "-c", script], {})
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert (job.work / "task.txt").read_text() == "the oldest open entry of TODO.md\n"
    assert (job.folder / "evidence" / "junit.xml").is_file()
    assert job.changed() == ["task.txt"]
