"""New panes: nothing missed, nothing inherited, nothing left behind when they cannot be started."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys

import pytest

from quarterdeck.errors import Broken, Invalid, NotFound, Refused
from quarterdeck.process import alive
from terminals.channel import exit_of
from terminals.tmux.record import PaneRecord


async def test_no_first_byte_is_missed(deck) -> None:
    async def one() -> None:
        # It stays until it is let go: what is printed in the last moment before an end tmux itself may drop.
        spec = deck.spec("/bin/sh", "-c", "printf 'first\\n'; printf 'last\\n'; read go")
        terminal = await deck.spawn(spec)
        follower = await deck.follow(spec, terminal)
        await follower.sees(b"last\r\n")
        await terminal.write(b"\r")
        how = await follower.ended()
        assert bytes(follower.data) == b"first\r\nlast\r\n\r\n"
        assert how.code == 0
        assert how.end == len(follower.data)
        assert not follower.gaps

    for _ in range(5):
        await asyncio.gather(*(one() for _ in range(4)))


async def test_the_journal_is_what_was_printed(deck) -> None:
    spec = deck.program("numbers", "RECORD", 20_000, 0)
    terminal, follower = await deck.start(spec)
    await follower.sees(b"done\r\n")
    assert (await follower.ended()).code == 0
    assert bytes(follower.data) == deck.record(spec).read_bytes()
    assert terminal.state.exit == exit_of(spec.folder)


async def test_program_gets_exactly_what_was_asked(deck) -> None:
    awkward = "ü 'single' \"double\" $HOME `date` #{pane_id} %H \\ \n ; end"
    seen = "[sys.argv[1:],dict(os.environ),os.getcwd(),os.get_terminal_size()]"
    show = f"import json,os,sys;print(json.dumps({seen}),flush=True)"
    cwd = deck.root / "it's a #{folder} %Y"
    cwd.mkdir()
    environ = {"PATH": os.environ["PATH"], "AWKWARD": awkward, "TMUX": "/tmp/x,1,2", "TMUX_PANE": "%9", "EMPTY": ""}
    spec = deck.spec(sys.executable, "-S", "-c", show, awkward, "", cwd=cwd, environ=environ, cols=133, lines=41)
    _, follower = await deck.start(spec)
    await follower.ended()
    argv, seen, where, size = json.loads(bytes(follower.data).replace(b"\r\n", b""))
    assert argv == [awkward, ""]
    assert where == str(cwd)
    assert size == [133, 41]
    assert seen.pop("TERM") in ("tmux-256color", "screen-256color")
    seen.pop("LC_CTYPE", None)  # Python sets it for itself
    assert seen == {name: value for name, value in environ.items() if not name.startswith("TMUX")}


async def test_environment_and_files_stay_private(deck) -> None:
    secret = "t0ps3cr3t"
    spec = deck.spec("/bin/sh", "-c", "exec sleep 1000", environ={"PATH": "/bin:/usr/bin", "KEY": secret})
    await deck.start(spec)
    assert secret not in str(deck.processes())
    for path in [*deck.run.rglob("*"), *spec.folder.rglob("*")]:
        mode = path.lstat().st_mode
        assert stat.S_IMODE(mode) & 0o077 == 0 or stat.S_ISDIR(mode)
        if stat.S_ISREG(mode):
            assert secret.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("argv", "error", "kind"),
    [
        (("no-such-command-here",), NotFound, "command"),
        (("/no/such/command",), NotFound, "command"),
        (("/etc/passwd",), Broken, "permission"),
        (("./orphan",), Broken, "interpreter"),
        (("./nonsense",), Broken, "format"),
    ],
)
async def test_what_cannot_be_started_leaves_nothing(deck, argv, error, kind) -> None:
    for name, text in (("orphan", "#!/no/such/interpreter\n"), ("nonsense", "\x7fnonsense")):
        (deck.root / name).write_text(text)
        (deck.root / name).chmod(0o755)
    spec = deck.spec(*argv)
    with pytest.raises(error) as caught:
        await deck.spawn(spec)
    assert caught.value.fields["kind"] == kind
    assert "nothing was started" in caught.value.message
    assert list(spec.folder.iterdir()) == []
    assert not spec.socket.exists()
    assert await deck.private_panes() == []


async def test_working_directory_must_exist(deck) -> None:
    spec = deck.spec("/bin/true", cwd=deck.root / "nowhere")
    with pytest.raises(NotFound) as caught:
        await deck.spawn(spec)
    assert caught.value.fields["kind"] == "cwd"
    assert list(spec.folder.iterdir()) == []


async def test_what_makes_no_sense_is_refused_before_anything_starts(deck) -> None:
    for spec in (
        deck.spec(),
        deck.spec("true", lease=60.0),
        deck.spec("a\0b"),
        deck.spec("true", environ={"A=B": "c"}),
    ):
        with pytest.raises(Invalid):
            await deck.spawn(spec)
    assert list(deck.run.iterdir()) == []


async def test_one_living_terminal_per_agent(deck) -> None:
    spec = deck.spec("/bin/cat")
    terminal, _ = await deck.start(spec)
    with pytest.raises(Refused):
        await deck.spawn(spec)
    assert alive(terminal.record.child)
    assert PaneRecord.load(spec.folder) == terminal.record


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -SEGV $$", -11), ("kill -9 $$", -9), (":", 0)])
async def test_exit_status(deck, script, code) -> None:
    spec = deck.spec("/bin/sh", "-c", f"echo bye; {script}")
    terminal, follower = await deck.start(spec)
    how = await follower.ended()
    assert how.code == code
    assert how.end == len(b"bye\r\n")
    assert exit_of(spec.folder) == how
    assert (await terminal.write(b"x")).status == "closed"
    assert await deck.private_panes() == []


async def test_exit_is_told_though_a_grandchild_lives_on(deck) -> None:
    inner = "trap '' HUP; touch ready; while ! test -e go; do sleep 0.01; done"
    spec = deck.spec("/bin/sh", "-c", f'setsid sh -c "{inner}" & while ! test -e ready; do sleep 0.01; done; exit 5')
    _, follower = await deck.start(spec)
    await follower.until(lambda: follower.exits)
    assert follower.exits[0].code == 5
    assert (await follower.ended()).code == 5
    (deck.root / "go").touch()


async def test_a_next_life_goes_on_in_the_same_journal(deck) -> None:
    spec = deck.spec("/bin/echo", "one")
    _, follower = await deck.start(spec)
    first = await follower.ended()
    again = deck.spec("/bin/echo", "two", agent=spec.agent, preamble=b"\x1bc")
    _, second = await deck.start(again)
    await second.ended()
    assert bytes(second.data) == b"one\r\n\x1bctwo\r\n"
    assert first.end == 5


async def test_fifty_panes(deck) -> None:
    specs = [deck.spec("/bin/cat") for _ in range(50)]
    await asyncio.gather(*(deck.start(spec) for spec in specs))
    assert len(await deck.private_panes()) == 50
    await asyncio.gather(*(terminal.write(b"here\n") for terminal in deck.terminals))
    await asyncio.gather(*(follower.sees(b"here\r\nhere\r\n") for follower in deck.followers))


async def test_empty_server_ends_with_the_adapter(deck) -> None:
    _, follower = await deck.start(deck.spec("/bin/true"))
    process = deck.server_process()
    await follower.ended()
    await deck.adapter.aclose()
    assert not alive(process)
    assert list(deck.run.iterdir()) == []


async def test_server_with_a_living_agent_stays(deck) -> None:
    spec = deck.spec("/bin/cat")
    terminal, _ = await deck.start(spec)
    process = deck.server_process()
    await deck.restart()
    assert alive(process)
    assert alive(terminal.record.child)
    await (await deck.find(spec)).close(grace=0.2)
