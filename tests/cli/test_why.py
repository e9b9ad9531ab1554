"""``why`` and ``wait`` as a person or a script uses them."""

import json

REPORTS = (
    'say() { printf \'\\033]7501;state=%s\\033\\\\\' "$1"; echo "said $1"; }; '
    'say working; read a; say "$a"; read b; exit 4'
)


def test_why_explains_and_wait_waits(shared):
    shared.run("new", "--name", "told", "custom", "--", "sh", "-c", REPORTS)
    done = shared.run("wait", "told", "--until", "working", "--timeout", "20")
    assert done.stdout.startswith("told is working")
    shown = shared.run("why", "told").stdout
    assert shown.splitlines()[0].startswith("told is working")
    assert "OSC 7501" in shown
    assert "spawned" in shown
    told = json.loads(shared.run("why", "told", "--json").stdout)
    assert told["status"] == "working"
    assert shared.run("wait", "told", "--until", "idle,blocked", "--timeout", "0.1", code=124).stdout
    shared.run("send", "told", "blocked", "--no-enter")
    shared.run("keys", "told", "enter")
    found = json.loads(shared.run("wait", "told", "--until", "blocked", "--timeout", "20", "--json").stdout)
    assert (found["reached"], found["agent"]["status"]) == (True, "blocked")
    listed = {one["name"]: one for one in json.loads(shared.run("ls", "--json").stdout)}
    assert (listed["told"]["status"], listed["told"]["reason"]) == ("blocked", "permission")
    assert "permission" in shared.run("ls").stdout
    shared.run("keys", "told", "enter")
    assert shared.run("wait", "told", "--until", "idle", "--timeout", "20", code=8).stdout.startswith("told is exited")
    shared.run("wait", "told", "--until", "ended")
    assert "no status" in shared.run("wait", "told", "--until", "idel", code=2).stderr
    assert shared.run("why", "nobody", code=3).stderr
    shared.run("rm", "told")
