"""Requests, prompts, why and calls for a person, against a scripted orchestrator: what is shown and what is sent."""

from __future__ import annotations

import pytest
from textual import events

from quarterdeck.errors import Refused
from tui.attention import call, sequence, through_tmux, way
from tui.broadcast import Broadcast
from tui.composer import Composer
from tui.dialogs import Field
from tui.editor import clean
from tui.exact import folded, one_line, revealed
from tui.fleet import AgentInfo, Fleet, ordered
from tui.inbox import Inbox
from tui.port import frames
from tui.prompts import STATES, PromptInfo, history, listed, moved
from tui.states import LOOKS, full_word, tokens, until, word

LEADER = "ctrl+right_square_bracket"
S = 10**9


def lines_of(widget):
    return "\n".join(widget.render_line(y).text for y in range(widget.outer_size.height))


async def type_keys(scenes, pilot, *names):
    for name in names:
        await pilot.press(name)
        await scenes.settle(pilot)


def answers(peer):
    return [(path, body) for method, path, body in peer.asked if method == "POST" and path.endswith("/answer")]


# exact text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls -l", "ls -l"),
        ("a\tb", "a    b"),
        ("rm \u202e-rf", "rm ‹U+202E›-rf"),
        ("a\x1b[2Jb", "a‹U+001B›[2Jb"),
        ("a\u00a0b\u200bc\u3164d", "a‹U+00A0›b‹U+200B›c‹U+3164›d"),
        ("cafe\u0301 日本 Ж", "cafe\u0301 日本 Ж"),
        ("a\rb", "a‹U+000D›b"),
        ("a\r\nb", "a\nb"),
        ("\ud800", "‹U+D800›"),
    ],
)
def test_what_cannot_be_seen_stands_there_by_its_number(text, shown):
    assert revealed(text) == shown
    assert "‹" not in revealed(text, plain=True)


@pytest.mark.parametrize("text", ["x" * 300_000, "é" * 300_000, "ab\n" * 100_000, "日" * 1000, "\u202e" * 5000, ""])
def test_nothing_is_dropped_when_it_is_folded(text):
    lines = folded(text, 40)
    joined = ""
    for line in lines:
        joined += line.text if line.more or (not joined and line.number == 0) else "\n" + line.text
    assert joined == revealed(text)


def test_one_line_says_whether_it_is_all():
    assert one_line("a\nb", 20) == ("a ⏎ b", True)
    assert one_line("a\nb", 20, plain=True) == ("a \\n b", True)
    shown, whole = one_line("x" * 50, 20)
    assert not whole
    assert shown == "x" * 19 + "…"
    assert one_line("", 5) == ("", True)


def test_what_is_pasted_into_the_editor_draws_nothing_else():
    assert clean("a\r\nb\x1b[2J\tc\u202ed\rx") == "a\nb[2J\tcd\nx"
    assert clean("日本 👍🏽 é") == "日本 👍🏽 é"


# states


def test_words_for_what_is_waited_for():
    assert [word("blocked", None, kind) for kind in ("permission", "question", "trust", "login", "")] == [
        "asks", "question", "trust", "login", "blocked",
    ]  # fmt: skip
    assert full_word("blocked", None, "permission") == "asks permission"
    assert word("limited") == "limited"
    assert full_word("limited", until_ns=0) == "limited"
    assert len({look.glyph for look in LOOKS.values()}) == len({look.ascii for look in LOOKS.values()}) == len(LOOKS)


def test_the_end_of_a_limit_fits_its_column(scenes):
    day = 86_400 * S
    assert until(0, scenes.NOW) == ""
    assert until(scenes.NOW + 57 * 60 * S, scenes.NOW) == "until 14:59"
    for ahead in (60 * S, day, 3 * day, 30 * day, 10_000 * day, 1 << 62):
        assert 0 < len(until(scenes.NOW + ahead, scenes.NOW)) <= 11


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1000, "1k"), (41_300, "41k"), (999_499, "999k"), (1_300_000, "1.3M")]
)
def test_tokens_at_a_glance(count, text):
    assert tokens(count) == text


def agent_info(ident, status, since=0, **more):
    return AgentInfo.of({"id": ident, "session": "s", "status": status, "since_ns": since} | more)


def test_who_needs_a_person_comes_first_and_the_rest_stays_in_place():
    agents = [
        agent_info("a", "idle"), agent_info("b", "working"), agent_info("c", "done"), agent_info("d", "blocked", 9),
        agent_info("e", "failed"), agent_info("f", "blocked", 5), agent_info("g", "idle"),
    ]  # fmt: skip
    assert [agent.id for agent in ordered(agents, [], held=False)] == list("fdecabg")
    assert [agent.id for agent in ordered(agents, list("gabc"), held=True)] == list("gabcdef")


def test_the_next_one_that_needs_me_goes_round():
    fleet = Fleet()
    for ident, status in (("a", "idle"), ("b", "done"), ("c", "blocked"), ("d", "lost")):
        fleet.agents[ident] = agent_info(ident, status)
    seen, at = [], "a"
    for _ in range(4):
        at = fleet.next_waiting(at)
        seen.append(at)
    assert seen == ["c", "d", "b", "c"]
    assert Fleet().next_waiting("") is None


@pytest.mark.parametrize("doing", [{}, None, {"cost": "x", "tokens_in": None, "until_ns": None}, {"tokens_in": 3}])
def test_an_agent_of_which_little_is_known(doing):
    info = agent_info("a", "unknown", doing=doing)
    assert info.word(0) == "unknown"
    assert info.spent in ("", "3 tokens")


# the bar


async def test_the_bar_shows_what_would_run_and_changes_no_size(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        sizes = [request for request in peer.sent if isinstance(request, frames.Size)]
        peer.ask("ask1", "tests", tool="Bash", command="make \u202etest", asked_ns=scenes.NOW)
        peer.change("tests", status="blocked", doing={"kind": "permission"}, since_ns=scenes.NOW)
        await scenes.settle(pilot)
        assert "tests asks   Bash  make ‹U+202E›test" in lines_of(app.deck_screen.asks)
        assert app.deck_screen.plan.bar == 2
        assert [request for request in peer.sent if isinstance(request, frames.Size)] == sizes
        assert "cropped" not in app.deck_screen.panels[0].render_line(0).text
        peer.decide("ask1", "gone")
        peer.change("tests", status="working")
        await scenes.settle(pilot)
        assert not app.deck_screen.plan.bar


async def test_plain_keys_stay_the_agents_and_leader_keys_answer(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer) as (app, pilot):
        app.clock.advance(1)
        await type_keys(scenes, pilot, "y", "a", "n")
        assert peer.typed == {"api-auth": b"yan"}
        assert answers(peer) == []
        await type_keys(scenes, pilot, LEADER, "a")
        assert answers(peer) == [
            ("/v1/approvals/ask1/answer", {"answer": "always", "reason": "", "expect": "ask1-shown"})
        ]
        assert "always allowed" in lines_of(app.deck_screen.asks)


async def test_what_came_just_now_is_not_answered(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "y")
        assert answers(peer) == []
        assert "nothing was answered" in app.deck_screen.keys.note


async def test_the_key_means_what_was_shown_when_the_leader_was_pressed(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer) as (app, pilot):
        app.clock.advance(1)
        await type_keys(scenes, pilot, LEADER)
        peer.decide("ask1", "gone")
        peer.ask("ask3", "api-auth", tool="Bash", command="rm -rf /", can=["allow", "always", "deny"])
        await scenes.settle(pilot)
        assert "rm -rf" not in lines_of(app.deck_screen.asks)
        await type_keys(scenes, pilot, "a")
        assert answers(peer) == []
        assert peer.agents["api-auth"]["status"] == "blocked"
        assert "gone" in app.deck_screen.keys.note


async def test_what_asks_for_something_else_by_now_is_to_be_read_first(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer) as (app, pilot):
        app.clock.advance(1)
        await type_keys(scenes, pilot, LEADER)
        peer.ask("ask1", "api-auth", tool="Bash", command="rm -rf /", can=["allow", "deny"], digest="other", asked_ns=1)
        await scenes.settle(pilot)
        await type_keys(scenes, pilot, "y")
        assert [body["expect"] for _, body in answers(peer)] == ["ask1-shown"]
        assert "something else" in app.deck_screen.keys.note
        assert peer.approvals["ask1"]["state"] == "open"
        await type_keys(scenes, pilot, LEADER, "y")
        assert len(answers(peer)) == 1
        app.clock.advance(1)
        await type_keys(scenes, pilot, LEADER, "y")
        assert answers(peer)[1][1]["expect"] == "other"
        assert peer.approvals["ask1"]["state"] == "allowed"


async def test_in_the_inbox_what_asks_for_something_else_is_to_be_read_first(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "i", "down", "down")
        assert app.screen.ask.id == "ask1"
        peer.ask("ask1", "api-auth", tool="Bash", command="rm -rf /", digest="other", asked_ns=scenes.NOW)
        await scenes.settle(pilot)
        await type_keys(scenes, pilot, "y")
        assert answers(peer) == []
        assert "look first" in app.screen.keys.note
        app.clock.advance(1)
        await type_keys(scenes, pilot, "y")
        assert [body["expect"] for _, body in answers(peer)] == ["other"]


async def test_an_answer_is_sent_once_however_often_it_is_given(on_peer, scenes):
    peer = scenes.asking()
    peer.answers = False
    async with on_peer(peer) as (app, pilot):
        app.clock.advance(1)
        await type_keys(scenes, pilot, LEADER, "y", LEADER, "y", LEADER, "y")
        assert len(answers(peer)) == 1
        assert "allowing" in lines_of(app.deck_screen.asks)
        peer.decide("ask1", "failed", reason="nothing shows that it was taken")
        await scenes.settle(pilot)
        assert "not confirmed: nothing shows" in lines_of(app.deck_screen.asks)


async def test_a_refused_answer_says_why_and_can_be_given_again(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer) as (app, pilot):
        app.clock.advance(1)
        peer.refuse = Refused("the dialog on its screen is another one", hint="answer it there")
        await type_keys(scenes, pilot, LEADER, "y")
        assert "another one" in app.deck_screen.keys.note
        assert "y allow once" in lines_of(app.deck_screen.asks)
        await type_keys(scenes, pilot, LEADER, "y")
        assert peer.approvals["ask1"]["state"] == "allowed"


async def test_only_what_it_takes_is_offered(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer) as (app, pilot):
        app.clock.advance(1)
        await type_keys(scenes, pilot, LEADER, "p", *"seo", "enter")
        app.clock.advance(1)
        assert "y allow" not in lines_of(app.deck_screen.asks)
        assert "Which of the two" in lines_of(app.deck_screen.asks)
        await type_keys(scenes, pilot, LEADER, "y")
        assert answers(peer) == []
        await type_keys(scenes, pilot, LEADER, "enter")
        assert isinstance(app.screen, Inbox)
        assert app.screen.ask.agent == "seo"


async def test_the_bars_keys_can_be_clicked(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer, (160, 40)) as (app, pilot):
        app.clock.advance(1)
        bar = app.deck_screen.asks
        at = bar.render_line(0).text.index("y allow")
        await pilot.click(bar, offset=(at, 0))
        await scenes.settle(pilot)
        assert [body["answer"] for _, body in answers(peer)] == ["allow"]


async def test_starting_one_and_starting_again_keep_other_keys_meanwhile(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer, (160, 40)) as (app, pilot):
        app.clock.advance(1)
        assert "c new" in lines_of(app.deck_screen.keys)
        await type_keys(scenes, pilot, LEADER, "c")
        assert app.screen is not app.deck_screen
        await type_keys(scenes, pilot, "escape", LEADER, "6", LEADER, "R")
        assert ("POST", "/v1/agents/migrate/restore") in [call[:2] for call in peer.asked]
        assert answers(peer) == []


# the inbox


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (250, 60), (60, 15)])
async def test_the_inbox_decides_with_plain_keys(on_peer, scenes, size):
    peer = scenes.asking()
    async with on_peer(peer, size) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "i")
        inbox = app.screen
        assert [ask.agent for ask in inbox.asks] == ["seo", "notes", "api-auth"]
        await type_keys(scenes, pilot, "y", "down", "a")
        assert answers(peer) == []
        await type_keys(scenes, pilot, "n", *"no", "enter")
        assert answers(peer) == [
            ("/v1/approvals/ask2/answer", {"answer": "deny", "reason": "no", "expect": "ask2-shown"})
        ]
        assert app.screen is inbox
        assert inbox.ask.agent == "api-auth"
        await type_keys(scenes, pilot, "y")
        assert len(answers(peer)) == 1
        app.clock.advance(1)
        await type_keys(scenes, pilot, "y")
        assert len(answers(peer)) == 2
        assert "denied" in lines_of(inbox.requests) or size == (60, 15)
        await type_keys(scenes, pilot, "enter")
        assert app.screen is app.deck_screen
        assert app.focused_agent in ("api-auth", "seo")


async def test_the_inbox_stands_beside_the_panels_where_there_is_room(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer, (250, 60)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "i")
        assert app.deck_screen.plan.side == 72
        assert max(at.x + at.width for _, at in app.deck_screen.plan.tiles) == 250 - 72
        await type_keys(scenes, pilot, "escape")
        assert app.deck_screen.plan.side == 0


async def test_what_comes_and_goes_while_the_inbox_is_open(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "i", "down")
        inbox = app.screen
        assert inbox.ask.id == "ask2"
        peer.ask("ask0", "tests", tool="Bash", command="first", asked_ns=1)
        await scenes.settle(pilot)
        assert inbox.asks[0].id == "ask0"
        assert inbox.ask.id == "ask2"
        peer.decide("ask2", "gone")
        await scenes.settle(pilot)
        assert inbox.ask.id == "ask2"
        await type_keys(scenes, pilot, "y")
        assert answers(peer) == []
        assert "gone" in lines_of(inbox.request)


async def test_a_huge_diff_is_scrolled_to_its_end(on_peer, scenes):
    peer = scenes.asking()
    peer.approvals["ask2"]["diff"] = "".join(f"+line {n}\n" for n in range(30_000)) + "+the very last"
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "i", "down")
        assert "lines more" in lines_of(app.screen.request)
        await type_keys(scenes, pilot, "end")
        assert "the very last" in lines_of(app.screen.request)
        await type_keys(scenes, pilot, "home", "pagedown")
        assert app.screen.request.first > 0


# prompts


def prompt(ident, state="queued", position=0.0, created=0, text="t"):
    return PromptInfo.of(
        {"id": ident, "agent": "a", "text": text, "state": state, "position": position, "created_ns": created}
    )


def test_the_queue_in_its_order_then_what_is_over():
    found = listed([
        prompt("c", "accepted", created=1), prompt("b", position=2), prompt("a", position=1), prompt("w", "written", 9),
        prompt("d", "failed", created=2), prompt("x", "invented", created=3),
    ])  # fmt: skip
    assert [one.id for one in found] == ["w", "a", "b", "x", "d", "c"]
    assert history(
        [prompt("a", text="one", created=1), prompt("b", text="two", created=2), prompt("c", text="one")]
    ) == [
        "two",
        "one",
    ]
    assert len({look.word for look in STATES.values()}) == len(STATES)


@pytest.mark.parametrize(
    ("ident", "steps", "before"), [("a", -1, None), ("a", 1, "c"), ("b", -1, "a"), ("b", 1, ""), ("w", 1, None)]
)
def test_where_a_prompt_goes(ident, steps, before):
    queue = [prompt("w", "written"), prompt("a"), prompt("b"), prompt("c")]
    assert moved(queue, ident, steps) == before


async def test_the_composer_sends_keeps_its_draft_and_brings_back_what_was_sent(on_peer, scenes):
    peer = scenes.sent()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "e", *"half", "escape", LEADER, "e")
        composer = app.screen
        assert isinstance(composer, Composer)
        assert composer.editor.text == "half"
        await type_keys(scenes, pilot, "ctrl+j", "x", "ctrl+s")
        sent = [body for method, path, body in peer.asked if method == "POST" and path.endswith("/prompts")]
        assert sent == [{"text": "half\nx", "now": True}]
        assert composer.editor.text == ""
        await type_keys(scenes, pilot, "up")
        assert composer.editor.text == "half\nx"
        await type_keys(scenes, pilot, "up", "up")
        assert composer.editor.text == "Say when it is done."
        await type_keys(scenes, pilot, "down", "down", "down")
        assert composer.editor.text == ""


async def test_a_prompt_that_is_refused_stays_in_the_editor(on_peer, scenes):
    peer = scenes.sent()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "e", *"text")
        peer.refuse = Refused("the outbox is full")
        await type_keys(scenes, pilot, "enter")
        assert app.screen.editor.text == "text"
        assert "could not hand it over" in lines_of(app.screen.keys)
        (told,) = app._notifications
        assert "the outbox is full" in told.message


async def test_the_queue_is_changed_with_keys(on_peer, scenes):
    peer = scenes.sent()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "e", "tab", "d")
        composer = app.screen
        assert [one.id for one in composer.queue.entries[:2]] == ["p5", "p4"]
        await type_keys(scenes, pilot, "up", "x")
        assert peer.prompts["p5"]["state"] == "cancelled"
        await type_keys(scenes, pilot, "up", "up", "enter", "!", "enter")
        assert peer.prompts["p4"]["text"].endswith("tests/cart.!")
        assert composer.editing == ""


async def test_a_broadcast_goes_to_whom_was_chosen(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "b")
        dialog = app.screen
        assert isinstance(dialog, Broadcast)
        assert dialog.targets.marked == set()
        await type_keys(scenes, pilot, "g", "o", "shift+tab", "space", "down", "space", "tab", "enter")
        sent = [body for method, path, body in peer.asked if path == "/v1/broadcast"]
        assert sent == [{"text": "go", "now": False, "agents": ["tests"]}]
        peer.become("b0", "accepted", receipt="transcript")
        await scenes.settle(pilot)
        assert "accepted" in lines_of(dialog.targets)
        assert "by transcript" in lines_of(dialog.targets)


async def test_a_broadcast_goes_to_all_with_a_tag(on_peer, scenes):
    peer = scenes.grouped()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "b")
        dialog = app.screen
        assert "tag" in [field.inner.id for field in dialog.query(Field)]
        session, tag = dialog.query_one("#session"), dialog.query_one("#tag")
        assert [value for value, _ in tag.values] == ["", "api", "needs-review", "slow", "v1.2", "writing"]
        session.turn(-1)
        tag.turn(1)
        assert [agent.id for agent in dialog.targets.entries] == ["api-auth", "web", "notes"]
        assert dialog.targets.marked == {"web"}, "who asks is passed over, a program is meant by its tag"
        assert "v1.2" in lines_of(dialog.targets)
        tag.turn(1)
        assert [agent.id for agent in dialog.targets.entries] == ["api-auth"]
        assert dialog.targets.marked == set()
        tag.turn(-1)
        await type_keys(scenes, pilot, "g", "o", "enter")
        assert [body["agents"] for _, path, body in peer.asked if path == "/v1/broadcast"] == [["web"]]


async def test_a_fleet_without_tags_is_not_asked_for_one(on_peer, scenes):
    async with on_peer(scenes.asking()) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "b")
        assert [field.inner.id for field in app.screen.query(Field)] == ["session", "state", "profile"]


async def test_keys_right_behind_tab_mean_the_other_place(on_peer, scenes):
    peer = scenes.sent()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "e")
        await pilot.press(*"half", "tab", "down", "x")
        await scenes.settle(pilot)
        assert (app.screen.editor.text, peer.prompts["p5"]["state"]) == ("half", "cancelled")
        await type_keys(scenes, pilot, "escape", LEADER, "b")
        await pilot.press(*"all", "shift+tab", "space")
        await scenes.settle(pilot)
        assert app.screen.editor.text == "all"


async def test_who_begins_to_ask_meanwhile_is_taken_out(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (120, 36)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "b")
        assert app.screen.targets.marked == {"api-auth"}
        peer.change("api-auth", status="blocked", doing={"kind": "permission"})
        await scenes.settle(pilot)
        assert app.screen.targets.marked == set()
        await type_keys(scenes, pilot, "x", "enter")
        assert "nobody is chosen" in lines_of(app.screen.keys)


# hostile text


HOSTILE = "[bold red]x[/] \x1b[2J\x1b]0;evil\x07 \u202eabc\u2066 \x9b31m a\nb \ud800" + "z" * 300_000


@pytest.mark.parametrize("size", [(80, 24), (250, 60)])
async def test_hostile_text_on_every_new_screen(on_peer, scenes, size):
    peer = scenes.Peer()
    peer.session("shop")
    doing = {"kind": "permission", "waiting_for": HOSTILE, "model": HOSTILE, "tokens_in": 10**18, "cost": 1e300}
    peer.add("a", "shop", "hi", name=HOSTILE, status="blocked", reason=HOSTILE, profile=HOSTILE, queue=10**9,
             doing=doing)  # fmt: skip
    peer.add("b", "shop", "", name="b", status="idle")
    peer.ask("q", "a", tool=HOSTILE, command=HOSTILE, path=HOSTILE, diff=HOSTILE, text=HOSTILE, kind=HOSTILE,
             source=HOSTILE, shown=HOSTILE, can=["allow", "deny", HOSTILE])  # fmt: skip
    peer.prompt("p", "a", HOSTILE, reason=HOSTILE, receipt=HOSTILE)
    peer.prompt("r", "a", HOSTILE, HOSTILE, reason=HOSTILE, receipt=HOSTILE)
    peer.why = {
        "decided_by": HOSTILE, "awaits": HOSTILE, "contradictions": {HOSTILE: 3},
        "sources": [{"source": HOSTILE, "says": HOSTILE, "text": HOSTILE, "note": HOSTILE}, "nonsense"],
        "transitions": [{"before": HOSTILE, "status": HOSTILE, "reason": HOSTILE, "cause": {"text": HOSTILE}}],
    }  # fmt: skip
    async with on_peer(peer, size) as (app, pilot):
        app.clock.advance(1)

        def check():
            for widget in app.screen.walk_children():
                width, height = widget.outer_size
                for y in range(height if hasattr(widget, "paint") else 0):
                    line = widget.render_line(y)
                    assert line.cell_length == width
                    assert sum(segment.cell_length for segment in line) == width
            text = app.export_screenshot()
            assert not any((ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0 for char in text)
            assert not any(char in text for char in "\u202e\u2066\ud800")

        check()
        peer.happen("agent.attention", "a", title=HOSTILE, text=HOSTILE)
        await scenes.settle(pilot)
        for keys in (["i"], ["i", "end"], ["e"], ["e", "tab", "enter"], ["e", "up"], ["b"], ["w"], ["n"], ["p"]):
            await type_keys(scenes, pilot, LEADER, *keys)
            check()
            for _ in range(3):
                if app.screen is not app.deck_screen:
                    await type_keys(scenes, pilot, "escape")
            assert app.screen is app.deck_screen


async def test_a_hostile_paste_into_the_composer(on_peer, scenes):
    peer = scenes.asking()
    async with on_peer(peer) as (app, pilot):
        await type_keys(scenes, pilot, LEADER, "e")
        app.post_message(events.Paste("a\x1b[2J\u202eb\r\nc"))
        await scenes.settle(pilot)
        assert app.screen.editor.text == "a[2Jb\nc"


# calls for a person


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"TERM": "xterm-kitty"}, "99"), ({"KITTY_WINDOW_ID": "1"}, "99"), ({"TERM_PROGRAM": "iTerm.app"}, "9"),
        ({"TERM_PROGRAM": "WezTerm"}, "9"), ({"TERM": "xterm-ghostty"}, "9"), ({"VTE_VERSION": "7000"}, "777"),
        ({"TERM": "foot"}, "777"), ({"TERM": "xterm-256color"}, ""), ({}, ""),
    ],
)  # fmt: skip
def test_which_notification_a_terminal_knows(environ, kind):
    assert way(environ) == kind


@pytest.mark.parametrize("kind", ["99", "9", "777"])
def test_a_notification_holds_no_sequence_but_its_own(kind):
    said = sequence(kind, "a;b\x1b\\\x07", "x\x1b]0;evil\x07\n;y" + "z" * 9999)
    assert said.count("\x1b]") == said.count("\x1b\\")
    body = said.replace("\x1b]", "").replace("\x1b\\", "")
    assert body.isprintable()
    assert len(said) < 500
    wrapped = through_tmux(said)
    assert wrapped.startswith("\x1bPtmux;\x1b\x1b]")
    assert wrapped[7:-2].replace("\x1b\x1b", "").count("\x1b") == 0


@pytest.mark.parametrize(
    ("environ", "bell", "notify", "said"),
    [
        ({"TERM": "foot"}, False, True, "\x1b]777;notify;t;x\x1b\\"),
        ({"TERM": "foot"}, True, True, "\x1b]777;notify;t;x\x1b\\\a"),
        ({"TERM": "xterm"}, False, True, "\a"),
        ({"TERM": "xterm"}, False, False, ""),
        ({"TMUX": "/s,1,0", "TERM": "tmux-256color"}, False, True, "\a"),
        ({"TMUX": "/s", "VTE_VERSION": "7"}, False, True, "\x1bPtmux;\x1b\x1b]777;notify;t;x\x1b\x1b\\\x1b\\\a"),
    ],
)
def test_what_is_written_to_the_outer_terminal(environ, bell, notify, said):
    assert call(environ, "t", "x", bell=bell, notify=notify) == said


async def test_who_is_looked_at_does_not_call(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer) as (app, pilot):
        peer.happen("agent.attention", "api-auth", title="api-auth is done", text="all green", ways=["bell"])
        await scenes.settle(pilot)
        assert not app._notifications
        peer.happen("agent.attention", "seo", title="seo is done", text="all green", ways=["bell"])
        await scenes.settle(pilot)
        assert [n.title for n in app._notifications] == ["seo is done"]
        app.clock.advance(120)
        assert not app.attention.looked_at("api-auth")
        app.post_message(events.AppFocus())
        await scenes.settle(pilot)
        assert app.attention.looked_at("api-auth")


async def test_the_list_stays_while_the_leader_waits(on_peer, scenes):
    peer = scenes.fleet()
    async with on_peer(peer, (160, 40)) as (app, pilot):
        await type_keys(scenes, pilot, LEADER)
        before = lines_of(app.deck_screen.roster)
        peer.change("web", status="failed")
        await scenes.settle(pilot)
        order = [line[3:12] for line in lines_of(app.deck_screen.roster).splitlines()]
        assert order == [line[3:12] for line in before.splitlines()]
        await type_keys(scenes, pilot, "escape")
        assert "web" in lines_of(app.deck_screen.roster).splitlines()[1]


@pytest.mark.parametrize(("stops", "told"), [(True, "was interrupted"), (False, "nothing shows that it stopped")])
async def test_an_interrupt_says_whether_it_shows(on_peer, scenes, stops, told):
    peer = scenes.fleet()
    peer.stops = stops
    async with on_peer(peer) as (app, pilot):
        focused = app.focused_agent
        await type_keys(scenes, pilot, LEADER, "k")
        assert ("POST", f"/v1/agents/{focused}/interrupt", None) in peer.asked
        said = [one.message for one in app._notifications]
        assert told in "\n".join([app.deck_screen.keys.note, *said])
        assert [one.rpartition("  ")[2] for one in said] == ([] if stops else ["interrupt it again"])
        assert peer.typed == {}
