"""The TUI on a real orchestrator with real agents in real terminals, killed and resized; and in a real tmux."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quarterdeck import layout
from quarterdeck.keys import parse
from quarterdeck.process import alive, identity
from terminals.screen import Screen
from tui.app import QuarterdeckApp
from tui.driver import Key
from tui.options import Options
from tui.typed import Parser

HERE = Path(__file__).parent
LEADER = "ctrl+right_square_bracket"


@asynccontextmanager
async def client(deck, size=(100, 30)):
    app = QuarterdeckApp(deck.link(), workspace=str(deck.workspace), options=Options(theme="dark"))
    async with app.run_test(size=size, notifications=True) as pilot:
        yield app, pilot


def screen_text(app, name):
    agent = next((a.id for a in app.fleet.agents.values() if a.name == name), "")
    panel = app.deck_screen.panel(agent)
    if panel is None:
        return ""
    return "\n".join(panel.render_line(y).text.rstrip() for y in range(1, panel.outer_size.height))


def type_text(app, text):
    """As the driver hands over what a person types."""
    for value in Parser().feed(text.encode()):
        app.post_message(Key(value))


async def test_what_is_typed_reaches_the_agent_and_its_echo_the_panel(deck, until):
    deck.start("shell", "/bin/sh")
    async with client(deck) as (app, pilot):
        await until(pilot, lambda: "$" in screen_text(app, "shell"), "the prompt")
        type_text(app, "echo six$((3*2))\r")
        await until(pilot, lambda: "six6" in screen_text(app, "shell"), "the echo")
        app.keyboard.paste("printf 'from %s\\n' paste")
        await pilot.press("enter")
        await until(pilot, lambda: "from paste" in screen_text(app, "shell"), "the paste")


async def test_the_panel_recovers_from_kill_9_of_the_orchestrator(own_deck, until):
    deck = own_deck
    made = deck.start("shell", "/bin/sh")
    async with client(deck) as (app, pilot):
        await until(pilot, lambda: "$" in screen_text(app, "shell"), "the prompt")
        type_text(app, "echo before\r")
        await until(pilot, lambda: screen_text(app, "shell").count("before") == 2, "the first echo")
        os.kill(deck.orchestrator(), signal.SIGKILL)
        await until(pilot, lambda: not app.connected, "the loss seen")
        assert "before" in screen_text(app, "shell")
        await until(pilot, lambda: app.connected, "connected again")
        deck.orchestrator()
        await until(pilot, lambda: app.fleet.agents[made["id"]].alive, "the agent running")
        await until(pilot, lambda: not app.keyboard.deaf, "the pause after what may have been lost")
        type_text(app, "echo after $$\r")
        shown = await until(
            pilot, lambda: re.search(r"^after (\d+)$", screen_text(app, "shell"), re.MULTILINE), "the second echo"
        )
        assert int(shown[1]) == made["pid"]
        assert "before" in screen_text(app, "shell")


async def test_sizes_are_right_after_resizing_under_load(deck, until):
    deck.start("one", sys.executable, "-P", str(HERE / "size.py"))
    deck.start("two", sys.executable, "-P", str(HERE / "size.py"))
    async with client(deck, (250, 60)) as (app, pilot):
        await until(pilot, lambda: "x" in screen_text(app, "one") and "x" in screen_text(app, "two"), "output")
        for size in ((180, 50), (90, 24), (61, 16), (50, 10), (300, 80), (160, 44)):
            await pilot.resize_terminal(*size)
        wanted = {agent: (at.width - (at.x > app.deck_screen.plan.roster), at.height - 1)
                  for agent, at in app.deck_screen.plan.tiles}  # fmt: skip
        assert len(wanted) == 2

        def right():
            for name in ("one", "two"):
                lines = [line for line in screen_text(app, name).splitlines() if line.strip(" │")]
                agent = next(a.id for a in app.fleet.agents.values() if a.name == name)
                if not lines or not lines[-1].strip(" │").endswith("{}x{}".format(*wanted[agent])):
                    return False
                numbers = [int(line.strip(" │").split()[0]) for line in lines]
                if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                    return False
            return True

        await until(pilot, right, "each program told its panel's size, each line once")


async def test_an_agent_is_started_closed_and_started_again(deck, until, scenes):
    deck.start("first", "/bin/sh")
    async with client(deck) as (app, pilot):
        await until(pilot, lambda: app.members, "the list")
        await pilot.press(LEADER, "n")
        await until(pilot, lambda: app.screen is not app.deck_screen, "the dialog")
        await pilot.press("right", "tab", *"mine", "tab", "tab", "tab", *"sh -c 'echo started; read x; exit 3'")
        app.screen.query_one("#profile").choose("custom")
        await pilot.press("enter")
        await until(pilot, lambda: "started" in screen_text(app, "mine"), "its output")
        deck.remember(deck.client.request("GET", f"/v1/agents/{app.focused_agent}")["pid"])
        await pilot.press("enter")
        await until(pilot, lambda: "exit status 3" in screen_text(app, "mine"), "its end told")
        await pilot.press(LEADER, "a")
        await until(pilot, lambda: app.fleet.agents[app.focused_agent].alive, "running again")
        deck.remember(deck.client.request("GET", f"/v1/agents/{app.focused_agent}")["pid"])
        await pilot.press(LEADER, "x")
        await until(pilot, lambda: app.screen is not app.deck_screen, "the question")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.members) == 1 and app.screen is app.deck_screen, "it closed")
        assert "mine" in [agent["name"] for agent in deck.client.request("GET", "/v1/trash")]


async def test_a_refused_start_is_explained_and_nothing_is_lost(deck, until):
    deck.start("first", "/bin/sh")
    async with client(deck) as (app, pilot):
        await until(pilot, lambda: app.members, "the list")
        await pilot.press(LEADER, "n")
        await until(pilot, lambda: app.screen is not app.deck_screen, "the dialog")
        app.screen.query_one("#profile").choose("custom")
        app.screen.query_one("#command").value = "no-such-program-at-all"
        await pilot.press("enter")
        problem = app.screen.query_one("#problem")
        await until(pilot, lambda: "no-such-program" in str(problem.render()), "why")
        assert len(deck.agents()) == 1


async def test_scrollback_comes_from_the_orchestrator(deck, until):
    deck.start("many", "/bin/sh", "-c", "seq 1 500; read x")
    async with client(deck) as (app, pilot):
        await until(pilot, lambda: "500" in screen_text(app, "many"), "the output")
        await pilot.press("shift+pageup", "home")
        await until(pilot, lambda: screen_text(app, "many").splitlines()[0].strip() == "1", "the oldest line")
        await pilot.press("escape")
        await until(pilot, lambda: "500" in screen_text(app, "many"), "the live screen")


# a real terminal


_sockets = itertools.count(1)


class Outer:
    """The TUI as a process in a tmux of its own."""

    def __init__(self, deck, folder, size=(120, 36)):
        self.socket = str(folder / f"tmux-{next(_sockets)}")
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "QUARTERDECK", "NO_COLOR"))}
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
            "from quarterdeck.paths import Paths; from tui.app import run;"
            "sys.exit(run(Paths(Path(sys.argv[2])), None, sys.argv[3]))"
        )
        argv = [sys.executable, "-P", "-c", program, str(HERE.parents[1]), str(deck.paths.home), str(deck.workspace)]
        self.environ = environ | {"LANG": "C.UTF-8", "COLORTERM": "truecolor"}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *argv, ";",
                  "set", "-g", "remain-on-exit", "on", ";", "set", "-s", "escape-time", "0")  # fmt: skip

    def tmux(self, *words):
        done = subprocess.run(
            ["tmux", "-u", "-S", self.socket, *words], env=self.environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def ask(self, what):
        return self.tmux("display-message", "-p", what).strip()

    def close(self):
        """Take the terminal away, as when a window is closed; the client must not outlive it."""
        client = identity(int(self.ask("#{pane_pid}")))
        self.tmux("kill-server")
        wait_for(lambda: client is None or not alive(client), "the client's end without its terminal")


@pytest.fixture
def outer(deck):
    opened = []

    def start(**more):
        opened.append(Outer(deck, deck.paths.home.parent, **more))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def wait_for(condition, what, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)
    return value


needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@needs_tmux
def test_keys_through_a_real_terminal_down_to_a_program(deck, outer, keytable, tmp_path):
    record = tmp_path / "typed"
    deck.start("echo", sys.executable, "-P", str(HERE / "echo.py"), str(record))
    terminal = outer()
    wait_for(lambda: "ready" in terminal.screen(), "the program in its panel")
    emulator = Screen(80, 24)

    def told(since):
        return record.read_bytes()[since:].replace(b"\n", b"").decode()

    for key in keytable.KEYS:
        if not key.tmux:
            continue
        size = record.stat().st_size
        wanted = emulator.key(parse(key.name)).hex()
        terminal.tmux("send-keys", *(("-l", key.tmux) if len(key.tmux) == 1 else (key.tmux,)))

        wait_for(lambda size=size, wanted=wanted: len(told(size)) >= len(wanted), f"{key.name}: {wanted}")
        assert told(size) == wanted, key.name
    emulator.close()


@needs_tmux
def test_the_outer_cursor_and_the_way_out(deck, outer):
    made = deck.start("shell", "/bin/sh")
    terminal = outer(size=(130, 36))
    wait_for(lambda: "│$" in terminal.screen(), "the prompt")
    wait_for(lambda: terminal.ask("#{cursor_flag} #{cursor_x} #{cursor_y}") == "1 38 2", "the cursor at the prompt")
    terminal.tmux("send-keys", "-l", "abc")
    wait_for(lambda: terminal.ask("#{cursor_x} #{cursor_y}") == "41 2", "the cursor behind what was typed")
    terminal.tmux("send-keys", "C-]", "?")
    wait_for(lambda: "start an agent" in terminal.screen() and terminal.ask("#{cursor_flag}") == "0", "the help")
    terminal.tmux("send-keys", "q")
    wait_for(lambda: terminal.ask("#{cursor_flag}") == "1", "back")
    terminal.tmux("send-keys", "C-]", "d")
    wait_for(lambda: terminal.ask("#{pane_dead}") == "1", "the way out")
    assert terminal.ask("#{alternate_on} #{mouse_any_flag}") == "0 0"
    assert deck.client.request("GET", f"/v1/agents/{made['id']}")["status"] == "running"


FLOOD = r"""
i=0
while [ $i -lt 400 ]; do
  i=$((i+1)); printf '\033[3%dm%d\033[0m \346\227\245\346\234\254 e\314\201 \033[4m%s\033[K\033[0m\n' $((i%8)) $i "$1"
done
printf done; cat
"""


@needs_tmux
def test_what_the_outer_terminal_shows_is_what_the_agents_screens_hold(deck, outer):
    """Frames written straight to the terminal, the composed rest and dialogs in between leave no cell wrong."""
    terminal = outer(size=(130, 36))
    for name in ("one", "two"):
        deck.start(name, "/bin/sh", "-c", FLOOD, "sh", name)
        wait_for(lambda name=name: name in terminal.screen(), name)
        terminal.tmux("send-keys", "C-]", "?")
        wait_for(lambda: "start an agent" in terminal.screen(), "a dialog over it")
        terminal.tmux("send-keys", "q")

    def panels():
        lines = [line[36:].rstrip() for line in terminal.screen().splitlines()]
        tops = [n for n, line in enumerate(lines) if "• running" in line and n > 0]
        return [lines[a + 1 : b] for a, b in zip(tops, [*tops[1:], len(lines) - 1], strict=bool(tops))]

    def held(name, size):
        text = deck.client.request("GET", f"/v1/agents/{name}/screen?format=text")
        lines = [line.rstrip() for line in text.splitlines()]
        return [*lines, *[""] * (size - len(lines))]

    def same():
        shown = panels()
        return len(shown) == 2 and all(
            lines == held(agent["id"], len(lines)) and any("done" in line for line in lines)
            for lines, agent in zip(shown, deck.agents(), strict=True)
        )

    wait_for(same, "both panels as the screens are")


CALLER = r"""
printf '\033]7501;state=working\033\134'
while [ ! -e "$1" ]; do sleep 0.05; done
printf '\033]7501;state=blocked:kind=permission:msg=%s\033\134' "$(printf 'drop the table' | base64)"
cat
"""


@needs_tmux
def test_an_agent_that_asks_rings_and_tells_the_terminal_around_tmux(deck, outer, tmp_path, monkeypatch):
    monkeypatch.setenv("VTE_VERSION", "7000")
    deck.start("shell", "/bin/sh")
    deck.start("caller", "/bin/sh", "-c", CALLER, "sh", str(tmp_path / "go"))
    terminal = outer()
    wait_for(lambda: "│$" in terminal.screen(), "the prompt")
    wait_for(lambda: "● 1" in terminal.screen(), "the other one working")
    written = tmp_path / "written"
    terminal.tmux("pipe-pane", "-O", f"cat > {written}")
    (tmp_path / "go").touch()
    wait_for(lambda: "caller asks" in terminal.screen() and "drop the table" in terminal.screen(), "the bar")
    said = wait_for(
        lambda: re.search(
            rb"\x1bPtmux;\x1b\x1b\]777;notify;([^;]*);([^\x1b]*)\x1b\x1b\\\x1b\\\x07", written.read_bytes()
        ),
        "notification and bell",
    )
    assert b"caller" in said[1]
    assert b"drop the table" in said[2]
    terminal.tmux("send-keys", "C-]", "Tab")
    wait_for(lambda: "caller  sh" in terminal.screen(), "its panel, by the key for who needs me")


@needs_tmux
def test_asked_to_end_it_gives_the_terminal_back(deck, outer):
    deck.start("shell", "/bin/sh")
    terminal = outer()
    wait_for(lambda: "│$" in terminal.screen(), "the prompt")
    os.kill(int(terminal.ask("#{pane_pid}")), signal.SIGTERM)
    wait_for(lambda: terminal.ask("#{pane_dead}") == "1", "its end")
    assert terminal.ask("#{alternate_on} #{mouse_any_flag}") == "0 0"


@needs_tmux
def test_kill_9_of_the_client_harms_nobody(deck, outer):
    deck.start("shell", "/bin/sh")
    terminal = outer()
    wait_for(lambda: "│$" in terminal.screen(), "the prompt")
    terminal.tmux("send-keys", "-l", "x=kept")
    terminal.tmux("send-keys", "Enter")
    wait_for(lambda: terminal.screen().count("│$") == 2, "the second prompt")
    os.kill(int(terminal.ask("#{pane_pid}")), signal.SIGKILL)
    wait_for(lambda: terminal.ask("#{pane_dead}") == "1", "its death")
    again = terminal.tmux("respawn-pane")
    assert again == ""
    wait_for(lambda: "x=kept" in terminal.screen(), "the screen again")
    terminal.tmux("send-keys", "-l", "echo $x-$x")
    terminal.tmux("send-keys", "Enter")
    wait_for(lambda: "kept-kept" in terminal.screen(), "the same shell")


async def test_what_was_closed_comes_back_with_its_screen_and_runs(deck, until):
    deck.start("first", "/bin/sh")
    made = deck.start("second", "/bin/sh", "-c", "echo told; exec cat")
    async with client(deck, (250, 60)) as (app, pilot):
        await until(pilot, lambda: "told" in screen_text(app, "second"), "its output")
        await pilot.press(LEADER, "2", LEADER, "shift+left")
        await until(pilot, lambda: not app.watching.moving, "the panels moved")
        before = app.deck_screen.plan.tiles
        await pilot.press(LEADER, "x")
        await until(pilot, lambda: app.screen is not app.deck_screen, "the question")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.shown) == 1 and app.screen is app.deck_screen, "it closed")
        await pilot.press(LEADER, "u")
        await until(pilot, lambda: app.focused_agent == made["id"] and app.fleet.agents[made["id"]].alive, "it runs")
        deck.remember(deck.client.request("GET", f"/v1/agents/{made['id']}")["pid"])
        assert app.deck_screen.plan.tiles == before
        await until(pilot, lambda: screen_text(app, "second").count("told") >= 1, "its screen")


async def test_sizes_arrive_at_programs_when_a_border_has_settled(deck, until):
    deck.start("one", sys.executable, "-P", str(HERE / "size.py"))
    deck.start("two", sys.executable, "-P", str(HERE / "size.py"))
    async with client(deck, (250, 60)) as (app, pilot):
        await until(pilot, lambda: "x" in screen_text(app, "one") and "x" in screen_text(app, "two"), "output")
        for keys in (("shift+right",), ("ctrl+left", "ctrl+left", "ctrl+left")):
            await pilot.press(LEADER, *keys)
        await until(pilot, lambda: not app.watching.moving, "sizes told")
        tiles = dict(app.deck_screen.plan.tiles)
        wanted = {app.fleet.agents[agent].name: app.deck_screen.plan.size(at) for agent, at in tiles.items()}
        assert len(set(wanted.values())) == 2, "panels of two sizes"

        def told():
            texts = {name: screen_text(app, name).rstrip(" │\n") for name in wanted}
            return all(text.endswith("{}x{}".format(*wanted[name])) for name, text in texts.items())

        await until(pilot, told, "each program knows its panel's size")


@needs_tmux
def test_a_layout_comes_back_after_kill_9_of_the_client_and_of_the_orchestrator(own_deck):
    deck = own_deck
    for name in ("one", "two", "three"):
        deck.start(name, "/bin/sh")
    terminal = Outer(deck, deck.home, size=(250, 50))
    try:
        wait_for(lambda: terminal.screen().count("│$") == 3, "three prompts")
        for keys in (("S-Right",), ("S-Right",), ("o",)):
            terminal.tmux("send-keys", "C-]", *keys)
        wait_for(lambda: "2 empty" in terminal.screen(), "a second tab")
        terminal.tmux("send-keys", "C-]", ",")
        wait_for(lambda: terminal.screen().count("│$") == 3, "the first tab")
        session = deck.client.request("GET", "/v1/sessions")[0]["id"]

        def stored():
            one = deck.client.request("GET", f"/v1/sessions/{session}")
            return layout.loads(one["layout"])

        wait_for(lambda: len(stored().tabs) == 2 and stored().at == 0, "the layout stored")

        def titles():
            found = {}
            for y, line in enumerate(terminal.screen().splitlines()[2:]):
                for name in ("one", "two", "three"):
                    if (at := line.find(f" {name}  sh", 30)) >= 0 or (at := line.find(f"▌{name}  sh", 30)) >= 0:
                        found[name] = (at, y)
            return found

        before = titles()
        assert len(before) == 3
        os.kill(int(terminal.ask("#{pane_pid}")), signal.SIGKILL)
        wait_for(lambda: terminal.ask("#{pane_dead}") == "1", "the client's death")
        os.kill(deck.orchestrator(), signal.SIGKILL)
        terminal.tmux("respawn-pane")
        wait_for(lambda: titles() == before and "2 empty" in terminal.screen(), "the layout again")
        deck.orchestrator()
    finally:
        terminal.close()
