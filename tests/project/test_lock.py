"""requirements.lock agrees with pyproject.toml: everything asked for is pinned, hashed, and free of addresses."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+))?", re.MULTILINE)


def locked() -> dict[str, str]:
    """What is installed here: a package may be pinned twice, for earlier and for later Pythons."""
    text = (ROOT / "requirements.lock").read_text()
    return {
        canonicalize_name(m["name"]): m["version"]
        for m in PIN.finditer(text)
        if m["marker"] is None or Marker(m["marker"].strip()).evaluate()
    }


def asked() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    words = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    return [Requirement(word) for word in words]


def test_every_requirement_is_pinned_to_a_version_it_allows() -> None:
    pins = locked()
    for requirement in asked():
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_what_the_pins_need_is_pinned_too() -> None:
    pins = locked()
    wanted = {canonicalize_name(r.name) for r in asked()}
    checked: set[str] = set()
    while rest := wanted - checked:
        name = rest.pop()
        checked.add(name)
        for word in distribution(name).requires or ():
            requirement = Requirement(word)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed = canonicalize_name(requirement.name)
                assert needed in pins, f"{name} needs {word}"
                assert requirement.specifier.contains(pins[needed], prereleases=True), f"{name} needs {word}"
                wanted.add(needed)


def test_every_pin_has_a_hash_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if PIN.match(entry)]
    assert len(entries) == len(PIN.findall(text))
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
