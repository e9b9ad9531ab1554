"""The reducer: single rules, and what holds for every sequence of evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.evidence import Evidence, Sign, Source
from sessions.model import Status
from sessions.status import reducer
from sessions.status.knowledge import EXACT, ORDER, Knowledge

BEGIN = 1_700_000_000_000_000_000
SECOND = 10**9


# -- blocked


@pytest.mark.parametrize("source", ["program", "file", "stream", "hook", "transcript", "hint", "screen"])
def test_blocked_shows_at_once_whoever_says_it_first(story, source: str) -> None:
    one = story(exact=("program", "file", "stream"))
    assert one.tell(1, f"{source} blocked") is Status.BLOCKED


def test_a_dialog_quoted_on_the_screen_blocks_nobody_whose_state_is_known_exactly(story) -> None:
    one = story(exact=("program",))
    one.tell(1, "program working")
    assert one.tell(2, "screen blocked") is Status.WORKING
    assert one.until(60) is Status.WORKING
    assert one.known.contradicted == {Source.SCREEN: 1}
    assert one.tell(61, "program done") is Status.DONE
    assert one.tell(62, "screen blocked") is Status.DONE


def test_an_exact_source_alone_does_not_end_what_a_hook_asked(story) -> None:
    one = story(exact=("file",))
    one.tell(1, "file working")
    one.tell(2, "hook asked")
    assert one.tell(3, "file working") is Status.BLOCKED
    assert one.tell(4, "file idle") is Status.BLOCKED
    assert one.until(60) is Status.BLOCKED
    assert one.tell(61, "person typed") is Status.IDLE


def test_an_exact_source_that_knew_of_the_dialog_ends_it_alone(story) -> None:
    one = story(exact=("program",))
    one.tell(1, "program working")
    one.tell(2, "hook asked")
    one.tell(2.1, "program blocked")
    assert one.tell(4, "program working") is Status.WORKING


def test_a_dialog_that_is_gone_from_the_screen_is_over_after_a_moment(story) -> None:
    one = story()
    one.tell(1, "hook prompt")
    one.tell(2, "hook asked")
    one.tell(2.2, "screen blocked")
    assert one.tell(5, "screen working") is Status.BLOCKED
    assert one.until(5.9) is Status.BLOCKED
    assert one.until(6.1) is Status.WORKING


def test_a_dialog_the_rules_do_not_know_stays_while_the_screen_says_nothing_new(story) -> None:
    one = story()
    one.tell(1, "hook prompt", "screen working")
    one.tell(2, "hook asked")
    assert one.until(30) is Status.BLOCKED


def test_the_second_of_two_questions_stays_open(story) -> None:
    one = story(exact=("stream",))
    one.tell(1, "stream working")
    one.tell(2, "stream asked", key="a")
    one.tell(3, "stream asked", key="b")
    assert one.tell(4, "stream answered", key="a") is Status.BLOCKED
    assert one.tell(5, "stream working") is Status.BLOCKED
    assert one.tell(6, "stream answered", key="b") is Status.WORKING


def test_a_call_that_runs_beside_the_one_that_waits_ends_nothing(story) -> None:
    one = story()
    one.tell(1, "hook prompt")
    one.tell(2, "hook asked", key="a")
    assert one.tell(3, "hook working", key="b") is Status.BLOCKED
    assert one.tell(4, "hook answered", key="b") is Status.BLOCKED
    assert one.tell(5, "hook working", key="a") is Status.WORKING
    one.tell(6, "hook asked", key="c")
    assert one.tell(7, "hook prompt") is Status.WORKING


def test_a_key_pressed_in_a_dialog_the_rules_do_not_know_ends_nothing(story) -> None:
    one = story(exact=("program",))
    one.tell(1, "program working", "screen working")
    one.tell(2, "program blocked")
    one.tell(2.2, "screen idle")
    assert one.tell(5, "person typed") is Status.BLOCKED
    assert one.until(30) is Status.BLOCKED
    assert one.tell(31, "program working") is Status.WORKING


def test_what_names_the_call_is_shown_whoever_was_first(story) -> None:
    one = story(exact=("program",))
    one.tell(1, "program working")
    one.tell(2, "program blocked", text="approve Bash: touch a.txt", kind="permission")
    assert one.known.reason == "approve Bash: touch a.txt"
    one.tell(2.1, "hook asked", tool="Bash", command="touch a.txt")
    assert (one.known.reason, one.known.doing.waiting_for) == ("Bash: touch a.txt", "Bash: touch a.txt")
    assert one.known.cause is not None
    assert one.known.cause.source is Source.PROGRAM


# -- idle and done


def test_a_weak_source_must_stand_before_its_idle_counts(story) -> None:
    one = story()
    one.tell(1, "screen working")
    assert one.tell(2, "screen idle") is Status.WORKING
    assert one.tell(2.3, "screen working") is Status.WORKING
    assert one.until(10) is Status.WORKING
    one.tell(11, "screen idle")
    assert one.until(11.6) is Status.DONE


def test_a_second_source_confirms_at_once(story) -> None:
    one = story()
    one.tell(1, "hook prompt", "screen working")
    assert one.tell(5, "hook done") is Status.WORKING
    assert one.tell(5.1, "screen idle") is Status.DONE


def test_silence_proves_nothing(story) -> None:
    one = story()
    one.tell(1, "hook prompt")
    assert one.until(100_000) is Status.WORKING
    assert one.known.due == 0


def test_an_interrupt_no_hook_tells_is_seen_on_the_screen(story) -> None:
    one = story()
    one.tell(1, "hook prompt", "screen working")
    one.tell(5, "screen idle")
    assert one.until(5.6) is Status.WORKING
    assert one.until(5.8) is not Status.WORKING


def test_an_exact_source_that_misses_a_turn_is_stale_until_it_speaks(story) -> None:
    one = story(exact=("file",))
    one.tell(1, "file idle")
    assert one.tell(10, "hook prompt") is Status.IDLE
    assert one.until(12.9) is Status.IDLE
    assert one.until(13.1) is Status.WORKING
    assert one.tell(20, "file idle") is Status.DONE


@pytest.mark.parametrize(
    ("said", "unread", "status"),
    [
        (("hook done",), 1, Status.DONE),
        (("hook done", "transcript done", "screen idle"), 1, Status.DONE),
        (("hook error",), 1, Status.DONE),
        (("hook interrupted",), 0, Status.IDLE),
        (("transcript refused",), 0, Status.IDLE),
        (("hook done", "transcript interrupted"), 0, Status.IDLE),
        (("screen idle",), 1, Status.DONE),
        (("person typed", "screen idle"), 0, Status.IDLE),
        (("person typed", "hint idle"), 0, Status.IDLE),  # which is believed two seconds later
        (("hook limited",), 0, Status.LIMITED),
    ],
)
def test_what_counts_as_unseen(story, said: tuple[str, ...], unread: int, status: Status) -> None:
    one = story()
    one.tell(1, "hook prompt")
    for number, piece in enumerate(said):
        one.tell(5 + number / 10, piece)
    assert one.until(10) is status
    assert one.known.doing.unread == unread


def test_an_interrupt_told_late_takes_the_unseen_turn_back(story) -> None:
    one = story(exact=("file",))
    one.tell(1, "file working")
    assert one.tell(5, "file idle") is Status.DONE
    assert one.tell(5.8, "transcript interrupted", late=0.7) is Status.IDLE
    assert (one.known.doing.unread, one.known.reason) == (0, "interrupted")


def test_why_it_is_ready_is_said_by_its_newest_turn_though_the_exact_source_missed_it(story) -> None:
    one = story(exact=("file",))
    one.tell(1, "file working")
    one.tell(5, "transcript interrupted", "file idle")
    assert (one.status, one.known.reason) == (Status.IDLE, "interrupted")
    one.tell(20, "transcript prompt")
    one.tell(20.4, "transcript done")
    assert (one.until(30), one.known.reason) == (Status.DONE, "its turn ended")


def test_a_key_that_answered_a_question_stopped_nothing(story) -> None:
    one = story()
    one.tell(1, "hint working")
    one.tell(3, "hint blocked")
    one.tell(6, "person typed")
    one.tell(6.1, "hint working")
    one.tell(6.5, "hint idle")
    assert one.until(8) is Status.DONE


def test_leaving_a_conversation_is_no_turn(story) -> None:
    one = story(exact=("file",))
    one.tell(1, "file idle")
    one.tell(5, "file working")
    one.tell(5.1, "hook conversation", id="next", how="clear")
    assert one.tell(5.2, "file idle") is Status.IDLE


def test_each_turn_counts_until_somebody_looks(story) -> None:
    one = story(exact=("program",))
    for turn in range(3):
        one.tell(10 * turn + 1, "program working")
        one.tell(10 * turn + 5, "program done", "hook done")
    assert one.known.doing.unread == 3
    assert one.tell(40, "person seen") is Status.IDLE
    assert one.known.doing.unread == 0


def test_nothing_is_unseen_while_somebody_looks(story) -> None:
    one = story(exact=("program",))
    one.tell(1, "person seen", looking=True)
    one.tell(2, "program working")
    assert one.tell(5, "program done") is Status.IDLE
    one.tell(6, "person seen", looking=False)
    one.tell(7, "program working")
    assert one.tell(9, "program done") is Status.DONE


# -- limits, ends, clocks


def test_a_usage_limit_holds_until_its_end_or_the_next_turn(story) -> None:
    one = story()
    one.tell(1, "hook prompt")
    one.tell(5, "transcript limited", until_ns=BEGIN + 100 * SECOND, message="You've hit your limit")
    assert one.until(6) is Status.LIMITED
    assert (one.known.reason, one.known.doing.until_ns) == ("You've hit your limit", BEGIN + 100 * SECOND)
    assert one.until(99) is Status.LIMITED
    assert one.until(101) is Status.IDLE
    assert one.known.reason == "its usage limit has ended"
    one.tell(200, "transcript limited", until_ns=BEGIN + 300 * SECOND)
    assert one.until(202) is Status.LIMITED
    assert one.tell(210, "hook prompt") is Status.WORKING
    assert one.known.doing.until_ns == 0


def test_a_limit_of_which_the_end_is_past_holds_nobody(story) -> None:
    one = story()
    one.tell(1, "hook prompt")
    one.tell(5, "transcript limited", until_ns=BEGIN + SECOND)
    assert one.until(8) is Status.IDLE


@pytest.mark.parametrize("end", ["process exited", "process lost"])
def test_death_is_final_and_a_new_life_begins_fresh(story, end: str) -> None:
    one = story(exact=("program",))
    one.tell(1, "program blocked")
    ended = one.tell(2, end)
    assert not ended.alive
    for number, said in enumerate(("program working", "hook asked", "screen blocked", "process lost", "person typed")):
        assert one.tell(3 + number, said) is ended
    assert one.known.due == 0
    assert one.tell(20, "process spawned") is Status.STARTING
    assert one.known.words == {}
    assert one.tell(21, "hook asked", late=15) is Status.STARTING  # of the earlier life
    assert one.tell(22, "program idle") is Status.IDLE


def test_a_clock_that_is_set_back_leaves_no_word_in_the_future(story) -> None:
    one = story(exact=("program",))
    one.tell(5000, "program working")
    back = Evidence(source=Source.PROGRAM, sign=Sign.DONE, wall_ns=BEGIN + 10 * SECOND)
    known = reducer.reduce(one.known, back, BEGIN + 10 * SECOND)
    assert known.status is Status.DONE


def test_facts_are_kept_bounded_and_hostile_ones_change_nothing(story) -> None:
    one = story()
    one.tell(1, "transcript usage", input=10, output=5, cost=0.25, model="m-1")
    one.tell(2, "transcript usage", input=-1, output="many", cost=float("nan"), model=["x"])
    one.tell(3, "hook message", message="x" * 10_000)
    doing = one.known.doing
    assert (doing.tokens_in, doing.tokens_out, doing.cost, doing.model) == (10, 5, 0.25, "m-1")
    assert len(doing.message) == 2000
    one.tell(4, "hook conversation", id="n", how="clear", transcript="/home/ann/n.jsonl")
    doing = one.known.doing
    assert (doing.tokens_in, doing.cost, doing.transcript) == (None, None, "/home/ann/n.jsonl")
    one.tell(5, "hook asked", tool="Bash\x1b[2J", command="rm \u202e -rf\nx", kind=7)
    assert one.known.doing.waiting_for == "Bash[2J: rm -rf x"
    assert one.known.doing.kind == "permission"


def test_what_sources_tell_again_after_a_restart_is_no_second_turn(story) -> None:
    one = story(exact=("program",))
    one.tell(1, "hook prompt", "program working")
    one.tell(5, "program done", "hook done")
    one.tell(6, "person seen")
    stored = Knowledge(exact=one.known.exact, status=one.status, doing=one.known.doing)
    words = {source: word.evidence for source, word in one.known.words.items()}
    one.known = reducer.restored(stored, one.known.cause, words, BEGIN + 6 * SECOND, BEGIN + 60 * SECOND)
    one.tell(60, "transcript prompt", late=59)
    one.tell(60, "hook done", late=55)
    assert one.tell(60, "transcript done", late=54.8) is Status.IDLE
    one.tell(61, "transcript prompt", late=30)  # a turn of which nobody was told
    one.tell(61, "program working", late=30)
    one.tell(61, "transcript done", late=20)
    assert one.tell(61, "program done", late=20) is Status.DONE


# -- every sequence

_values = st.one_of(
    st.none(), st.text(max_size=8), st.integers(-(2**70), 2**70), st.floats(), st.lists(st.text(max_size=2))
)
_data = st.dictionaries(
    st.sampled_from(
        ("kind", "tool", "command", "text", "message", "key", "until_ns", "looking", "status", "code", "id")
    ),
    _values,
    max_size=3,
)
_pieces = st.builds(
    lambda source, sign, late, data: (source, sign, late, data),
    st.sampled_from(list(Source)),
    st.sampled_from(list(Sign)),
    st.integers(-2 * SECOND, 5 * SECOND),
    _data,
)
_sequences = st.lists(st.tuples(st.integers(0, 4 * SECOND), _pieces), max_size=40)
_kinds = st.sampled_from(("agent", "shell", "program"))
_declared = st.sets(st.sampled_from(EXACT)).map(frozenset)


@settings(max_examples=150, deadline=None)
@given(kind=_kinds, exact=_declared, sequence=_sequences)
def test_any_sequence(kind: str, exact: frozenset[Source], sequence: list) -> None:
    known = Knowledge(kind=kind, exact=exact)
    now = BEGIN
    for pause, (source, sign, late, data) in sequence:
        target = now + pause
        rounds = 0
        while known.due and known.due <= target:
            now = known.due
            known = reducer.settle(known, now)
            rounds += 1
            assert rounds < 20, "patience runs out without end"
        now = target
        before = known
        piece = Evidence(source=source, sign=sign, wall_ns=now - late, data=data)
        known = reducer.reduce(known, piece, now)
        again = reducer.reduce(known, piece, now)
        assert (again.status, again.reason, again.doing) == (known.status, known.reason, known.doing)
        assert known.due == 0 or known.due > now
        assert reducer.settle(known, now).status is known.status
        if not before.status.alive and sign is not Sign.SPAWNED:
            assert not known.status.alive
        blocks = sign in (Sign.BLOCKED, Sign.ASKED) and source in ORDER
        heard = (
            blocks
            and before.status.alive
            and now - late >= before.born_ns
            and not (old := before.words.get(source))
            and (source in exact or source not in EXACT)
        )
        alone = heard and not before.words and old is None
        if alone and not (before.typed_ns and late > 0):
            assert known.status is Status.BLOCKED
        assert known.doing.unread >= 0
        assert known.status is not Status.DONE or known.doing.unread
        if known.status is not Status.BLOCKED:
            assert known.doing.waiting_for == ""


@settings(max_examples=60, deadline=None)
@given(exact=_declared, sequence=_sequences)
def test_what_is_restored_from_what_was_stored_is_the_same_status(exact: frozenset[Source], sequence: list) -> None:
    known, now = Knowledge(exact=exact), BEGIN
    for pause, (source, sign, late, data) in sequence:
        now += pause
        known = reducer.reduce(known, Evidence(source=source, sign=sign, wall_ns=now - late, data=data), now)
    if not known.status.alive:
        return
    stored = Knowledge(kind=known.kind, exact=exact, status=known.status, reason=known.reason, doing=known.doing)
    words = {source: word.evidence for source, word in known.words.items()}
    again = reducer.restored(stored, known.cause, words, now, now)
    assert again.status is known.status
    assert replace(again, words=known.words).words == known.words
