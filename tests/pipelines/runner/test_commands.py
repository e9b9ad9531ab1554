"""Plans of commands, carried out: what begins, what came of it, what is told."""

from __future__ import annotations

from pipelines.model import Outcome, Retry
from pipelines.runs import kept_result
from quarterdeck.process import identity

S, F, K = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SKIPPED


def outcomes(result):
    return [step.outcome for step in result.steps]


def test_steps_follow_one_another_and_hand_on(bench, command):
    folder = bench.folder()
    plan = bench.plan(
        command("one", 'echo "to be seen"; echo "x=1" >> "$QUARTERDECK_OUTPUT"; echo one >> done'),
        command(
            "two",
            'echo "got $X and $ONE"; echo two >> done',
            needs=("one",),
            environ={"X": "${{ steps.one.outputs.x }}", "ONE": "${{ steps.one.outputs.message }}"},
        ),
    )
    result = bench.run(plan, folder)
    assert (result.outcome, result.exit_code, outcomes(result)) == (S, 0, [S, S])
    one, two = result.steps
    assert one.outputs == {"message": "to be seen", "x": "1"}
    assert two.message == "got 1 and to be seen"
    assert bench.lines() == ["one", "two"]
    assert one.attempts[0].exit_code == 0
    assert one.started_ns <= one.ended_ns <= two.started_ns
    assert kept_result(folder) == result
    assert [event.kind for event in bench.events][:2] == ["run.started", "step.started"]
    assert bench.told("step.output", "one") == ["to be seen"]
    lines = folder.events.read_text().splitlines()
    assert len(lines) == len(bench.events)


def test_a_failed_step_ends_the_run_but_for_who_asks(bench, command):
    plan = bench.plan(
        command("bad", "echo so it is; exit 3"),
        command("never", "echo never >> done", needs=("bad",)),
        command("alarm", "echo alarm >> done", needs=("bad",), when="failure()"),
        concurrency=1,
    )
    result = bench.run(plan)
    assert (result.outcome, result.exit_code, outcomes(result)) == (F, 10, [F, K, S])
    assert result.steps[0].reason == "exit status 3"
    assert result.steps[0].attempts[0].exit_code == 3
    assert result.steps[0].message == "so it is"
    assert result.steps[1].reason == "bad, which it needs, ended failed"
    assert bench.lines() == ["alarm"]


def test_a_command_that_is_not_there_has_failed(bench, command):
    result = bench.run(bench.plan(command("bad", "no-such-command-at-all")))
    assert result.steps[0].outcome is F
    assert result.steps[0].attempts[0].exit_code == 127


def test_a_signal_is_told_as_a_shell_tells_it(bench, command):
    result = bench.run(bench.plan(command("bad", "kill -9 $$")))
    assert result.steps[0].reason == "killed by signal 9"
    assert result.steps[0].attempts[0].exit_code == 137


def test_what_fails_is_tried_again(bench, command):
    plan = bench.plan(
        command("flaky", 'echo try >> done; test "$(wc -l < done)" -ge 3', retry=Retry(times=3, pause=0.01))
    )
    result = bench.run(plan)
    assert result.outcome is S
    assert [(one.number, one.outcome) for one in result.steps[0].attempts] == [(1, F), (2, F), (3, S)]
    assert bench.lines() == ["try"] * 3
    assert len(bench.told("step.retry")) == 2
    assert "again in 0.01 s" in bench.told("step.retry")[0]


def test_a_step_out_of_time_is_ended_even_where_it_ignores_signals(bench, command):
    plan = bench.plan(command("slow", "trap '' TERM HUP INT; echo begun; while :; do sleep 1; done", timeout=0.6))
    result = bench.run(plan)
    step = result.steps[0]
    assert (result.outcome, result.exit_code) == (Outcome.TIMED_OUT, 124)
    assert step.reason == "its timeout of 0.6 s"
    assert step.message == "begun"
    assert step.agent_id


def test_a_run_out_of_time_begins_nothing_more(bench, command):
    plan = bench.plan(
        command("slow", "echo slow >> done; sleep 100"),
        command("next", "echo next >> done"),
        concurrency=1,
        timeout=0.7,
    )
    result = bench.run(plan)
    assert outcomes(result) == [Outcome.TIMED_OUT, K]
    assert result.outcome is Outcome.TIMED_OUT
    assert result.steps[1].reason == "not begun: the run's timeout was reached"
    assert bench.lines() == ["slow"]


def test_as_many_at_once_as_the_plan_says(bench, command):
    text = 'mkdir on.$$; ls -d on.* | wc -l >> done; sleep 0.2; rmdir on.$$'  # fmt: skip
    steps = [command(f"s{n}", text) for n in range(6)]
    bench.run(bench.plan(*steps, concurrency=2))
    assert len(bench.lines()) == 6
    assert max(map(int, bench.lines())) == 2


def test_the_output_must_be_there(bench, command):
    plan = bench.plan(
        command("one", "echo x > here", outputs=("here", "there/too")),
        command("two", "mkdir -p there; echo x > there/too", outputs=("here", "there/too")),
        concurrency=1,
        keep_going=True,
    )
    result = bench.run(plan)
    assert outcomes(result) == [F, S]
    assert result.steps[0].reason == "an output is missing: there/too"


def test_outputs_that_cannot_be_read_fail_the_step(bench, command):
    result = bench.run(bench.plan(command("one", 'echo "no output" >> "$QUARTERDECK_OUTPUT"')))
    assert result.steps[0].outcome is F
    assert "line 1: 'no output' is no output" in result.steps[0].reason


def test_a_folder_that_is_missing_fails_the_step(bench, command):
    result = bench.run(bench.plan(command("one", "echo never >> done", cwd="nowhere/at/all")))
    assert result.steps[0].outcome is F
    assert "nowhere/at/all does not exist" in result.steps[0].reason
    assert bench.lines() == []


def test_nobody_is_there_to_answer(bench, command):
    result = bench.run(bench.plan(command("asks", 'read answer; echo "answer: <$answer>"; echo "$PAGER"')))
    assert result.steps[0].message == "answer: <>\ncat"


def test_what_stays_in_the_background_is_ended_with_the_run(bench, command):
    stay = "sh -c 'echo $$ >> pids; exec sleep 1000' >/dev/null 2>&1 &"
    plan = bench.plan(
        command("serve", f"nohup {stay} setsid {stay} until test $(wc -l < pids) = 2; do :; done 2>/dev/null"),
        command("use", "for pid in $(cat pids); do kill -0 $pid && echo there >> done; done", needs=("serve",)),
    )
    result = bench.run(plan)
    assert outcomes(result) == [S, S]
    assert bench.lines() == ["there", "there"]  # for the next step
    assert bench.left() == []
    assert [pid for pid in bench.lines("pids") if identity(int(pid))] == []


def test_a_flood_is_bounded(bench, command):
    plan = bench.plan(command("flood", "head -c 20000000 /dev/zero | tr '\\0' 'x' | fold -w 100; echo the end"))
    result = bench.run(plan)
    assert result.outcome is S
    assert result.steps[0].message.endswith("the end")
    assert len(result.steps[0].message) < 10_000
    assert sum(map(len, bench.told("step.output"))) < 5_000_000


def test_only_declared_secrets_reach_a_program(bench, command):
    bench.environ |= {"API_TOKEN": "tok-" + "a1" * 12, "DEPLOY": "tok-" + "b2" * 12, "OTHER": "tok-" + "c3" * 12}
    show = 'echo "<$API_TOKEN> <$DEPLOY> <$OTHER> $PLAIN"; echo "$DEPLOY" | base64'
    plan = bench.plan(
        command("with_it", show, secrets=("DEPLOY",)),
        command("without", show, secrets=("OTHER",)),
        environ={"PLAIN": "plain"},
    )
    result = bench.run(plan)
    folder = bench.folder(bench.runs[-1])
    told = {step.key: step.message.split("\n")[0] for step in result.steps}
    assert told == {
        "with_it": "<> <[redacted: DEPLOY]> <> plain",
        "without": "<> <> <[redacted: OTHER]> plain",
    }
    assert "b2b2" not in folder.events.read_text() + folder.result.read_text() + repr(bench.events)


def test_a_run_without_work_is_skipped(bench, command):
    result = bench.run(bench.plan(command("one", "true", when="env.NEVER == 'yes'")))
    assert (result.outcome, result.exit_code) == (K, 0)
    assert result.steps[0].reason == "its condition does not hold"
