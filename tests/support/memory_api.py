"""The memory of one workspace over HTTP, as tests ask for it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from orchestrator.client import Client


class Memory:
    """Requests to one bank; ``folder`` "" is the shared one."""

    def __init__(self, client: Client, folder: Path | str) -> None:
        self.client = client
        self.folder = Path(folder)
        self.name = str(folder)

    def get(self, what: str, **query: Any) -> Any:
        return self.client.request("GET", self.path(what, **query))

    def path(self, what: str, **query: Any) -> str:
        return f"/v1/memory/{what}?" + urlencode({"workspace": self.name, **query}, doseq=True)

    def post(self, what: str, **body: Any) -> Any:
        return self.client.request("POST", f"/v1/memory/{what}", {"workspace": self.name, **body})

    def add(self, body: str, **more: Any) -> Any:
        return self.post("entries", body=body, **more)

    def entry(self, ref: str) -> Any:
        return self.get(f"entries/{quote(ref, safe='')}")

    def patch(self, ref: str, **body: Any) -> Any:
        path = f"/v1/memory/entries/{quote(ref, safe='')}"
        return self.client.request("PATCH", path, {"workspace": self.name, **body})

    def delete(self, ref: str) -> Any:
        return self.client.request("DELETE", self.path(f"entries/{quote(ref, safe='')}"))

    def known(self, **query: Any) -> list[str]:
        return [entry["key"] for entry in self.get("entries", **query)["entries"]]

    def files(self) -> dict[str, str]:
        folder = self.folder / ".quarterdeck" / "memory"
        return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.md"))}


def repository(folder: Path) -> Path:
    """A new git repository."""
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    for name, value in (("user.email", "p@example.org"), ("user.name", "p"), ("commit.gpgsign", "false")):
        subprocess.run(["git", "-C", str(folder), "config", name, value], check=True)
    return folder
