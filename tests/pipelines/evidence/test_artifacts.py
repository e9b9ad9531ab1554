"""Files that patterns name, out of folders that others fill."""

import os

import pytest

from pipelines.evidence import artifacts, files

TOKEN = "correct-horse-battery-staple-0815"


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    for name in ("a.log", "sub/b.log", "sub/deep/c.log", "coverage/index.html", "coverage/x/y.js", ".hidden/d.log"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


@pytest.fixture
def copied(work, tmp_path, redactor):
    """Copies what patterns name: names to contents, and the problems."""

    def made(*patterns):
        problems = []
        found = artifacts.copy(work, patterns, tmp_path / "kept", redactor, problems.append)
        assert all(one.size == one.path.stat().st_size for one in found)
        return {one.name: one.path.relative_to(tmp_path / "kept").as_posix() for one in found}, problems

    return made


@pytest.mark.parametrize(
    ("patterns", "want"),
    [
        (("*.log",), ["a.log"]),
        (("**/*.log",), [".hidden/d.log", "a.log", "sub/b.log", "sub/deep/c.log"]),
        (("sub/*.log",), ["sub/b.log"]),
        (("sub/**/c.log",), ["sub/deep/c.log"]),
        (("coverage/**",), ["coverage/index.html", "coverage/x/y.js"]),
        (("coverage",), ["coverage/index.html", "coverage/x/y.js"]),
        (("./coverage/",), ["coverage/index.html", "coverage/x/y.js"]),
        (("?.log", "[ab].log", "*.log"), ["a.log"]),
        (("sub/[!b].log",), []),
        (("none/**/*",), []),
    ],
)
def test_patterns(copied, patterns, want):
    found, problems = copied(*patterns)
    assert sorted(found) == want
    assert all(found[name] == name for name in want)
    assert problems == []


def test_links_lead_nowhere(copied, work, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.log").write_text("theirs")
    (work / "link.log").symlink_to(outside / "secret.log")
    (work / "folder").symlink_to(outside)
    (work / "loop").symlink_to(work)
    (work / "gone.log").symlink_to(work / "nothing")
    found, problems = copied("**/*.log", "folder/**", "folder/secret.log", "loop/**")
    assert sorted(found) == [".hidden/d.log", "a.log", "sub/b.log", "sub/deep/c.log"]
    assert problems == ["artifact gone.log: it is a link", "artifact link.log: it is a link"]


def test_neither_git_nor_other_runs_are_kept(copied, work):
    for path in (work / ".quarterdeck" / "runs" / "x" / "steps" / "a", work / "sub" / "evidence" / "steps" / "a"):
        (files.marked(path) / "log.txt").write_text("printed")
        files.marked(path)
    for name in (
        ".git/config",
        "sub/.git/config",
        ".quarterdeck/config.toml",
        "sub/evidence/mine.txt",
        "runs/.gitignore",
    ):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    (work / "sub" / "deep" / ".git").write_text("gitdir: /elsewhere")
    found, problems = copied("**")
    assert {".quarterdeck/config.toml", "sub/evidence/mine.txt", "runs/.gitignore"} < set(found)
    assert not any(".git/" in name or "log.txt" in name for name in found)
    assert problems == []


def test_what_a_run_keeps_apart_is_no_work(work, tmp_path, redactor):
    (work / "state").mkdir()
    (work / "state" / "state.db").write_text("ours")
    apart = [work / "sub" / "b.log", work / "state", work]
    found = artifacts.copy(work, ["**"], tmp_path / "kept", redactor, pytest.fail, apart=apart)
    assert {"sub/b.log", "state/state.db"}.isdisjoint(one.name for one in found)
    assert "sub/deep/c.log" in {one.name for one in found}


def test_what_is_no_file_does_not_hang(copied, work):
    os.mkfifo(work / "pipe.log")
    found, problems = copied("*.log")
    assert list(found) == ["a.log"]
    assert problems == ["artifact pipe.log: it is no regular file"]


def test_hostile_names_are_names_alone(copied, work):
    names = [b"line\nbreak.log", b"\x1b[31m.log", b"not-utf8-\xff.log", b'q"<>|:*?\\.log', b"n" * 251 + b".log"]
    for name in names:
        (work / os.fsdecode(name)).write_bytes(name)
    (work / "A.log").write_text("capital")
    found, problems = copied("*.log")
    assert problems == []
    assert len(set(map(str.casefold, found.values()))) == len(names) + 2
    for path in found.values():
        assert path.isprintable()
        assert not set(path) & set('"<>|:*?\\\n')
        assert len(path.encode()) <= 210


def test_a_file_with_a_known_secret_stays_where_it_is(copied, work, monkeypatch):
    import base64

    (work / "plain.log").write_text("x" * 100 + TOKEN)
    (work / "coded.log").write_bytes(b"{" + base64.b64encode(b"user:" + TOKEN.encode() + b"!") + b"}")
    (work / "cut.log").write_bytes(b"x" * ((1 << 20) - 10) + TOKEN.encode() + b"y" * 50)
    found, problems = copied("*.log")
    assert list(found) == ["a.log"]
    assert problems == [f"artifact {name}.log: it holds the secret DEPLOY_TOKEN" for name in ("coded", "cut", "plain")]


def test_limits(copied, work, monkeypatch):
    monkeypatch.setattr(artifacts, "FILE_LIMIT", 10 << 10)
    monkeypatch.setattr(artifacts, "TOTAL_LIMIT", 15 << 10)
    for name, size in (("1", 8), ("2", 11), ("3", 5), ("4", 9)):
        (work / f"{name}.bin").write_bytes(b"x" * (size << 10))
    found, problems = copied("*.bin")
    assert list(found) == ["1.bin", "3.bin"]
    assert [one.partition(":")[0] for one in problems] == ["artifact 2.bin", "artifact 4.bin"]
    monkeypatch.setattr(artifacts, "COUNT_LIMIT", 2)
    found, problems = copied("**/*.log")
    assert len(found) == 2
    assert problems == ["artifacts from sub/b.log on: there are too many"]


def test_many_stars_take_no_time(copied, work):
    deep = work.joinpath(*("d" * 1 for _ in range(40)))
    deep.mkdir(parents=True)
    (deep / "end.txt").write_text("x")
    found, _ = copied("/".join(["**", "d"] * 12) + "/**/none.txt")
    assert not found
