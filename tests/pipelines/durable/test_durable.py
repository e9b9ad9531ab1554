import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipelines.durable import open_durable
from pipelines.ports import Json

RUN = "20260314-153059-4f1c2b"


class Work:
    """Counts how often it is done."""

    def __init__(self, value: Json = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error
        self.done = 0

    async def __call__(self) -> Json:
        self.done += 1
        if self.error:
            raise self.error
        return self.value


async def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    work = Work({"a": [1, None, "\0\ud800 ö"], "b": 1.5})
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:
        first = await durable.once("steps/tests[os=linux]", work)
        assert await durable.once("steps/tests[os=linux]", work) == first == work.value
    async with open_durable(RUN, tmp_path / "steps.db", fresh=False) as durable:
        assert await durable.once("steps/tests[os=linux]", work) == work.value
        assert await durable.finished() == {"steps/tests[os=linux]": work.value}
    assert work.done == 1


async def test_an_error_and_what_is_not_json_are_raised_and_not_remembered(tmp_path: Path) -> None:
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:
        with pytest.raises(LookupError):
            await durable.once("one", Work(error=LookupError("no")))
        with pytest.raises(TypeError):
            await durable.once("set", Work({1}))
        with pytest.raises(ValueError, match="JSON"):
            await durable.once("number", Work(float("nan")))
        with pytest.raises(ValueError, match="no key"):
            await durable.once("", Work())
        assert await durable.finished() == {}
        assert await durable.once("one", Work("yes")) == "yes"


async def test_work_may_have_keys_of_its_own(tmp_path: Path) -> None:
    inner = Work(1)

    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:

        async def outer() -> Json:
            await durable.once("step/turn/0", inner)
            raise LookupError("the step failed after its turn")

        with pytest.raises(LookupError):
            await durable.once("step", outer)
    async with open_durable(RUN, tmp_path / "steps.db", fresh=False) as durable:

        async def again() -> Json:
            return [await durable.once("step/turn/0", inner)]

        assert await durable.once("step", again) == [1]
    assert inner.done == 1


async def test_a_cancelled_caller_ends_the_work_and_nothing_is_remembered(tmp_path: Path) -> None:
    for fresh in (True, False):
        async with open_durable(RUN, tmp_path / "steps.db", fresh=fresh) as durable:
            begun, ended = asyncio.Event(), asyncio.Event()

            async def work(begun: asyncio.Event = begun, ended: asyncio.Event = ended) -> Json:
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

            task = asyncio.create_task(durable.once("one", work))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert ended.is_set()
            assert await durable.finished() == {}


async def test_work_that_is_done_is_recorded_though_its_caller_is_cancelled(tmp_path: Path) -> None:
    work = Work("done")
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:
        task = asyncio.create_task(durable.once("one", work))
        while not any(one.get_name() == "record one" for one in asyncio.all_tasks()):
            await asyncio.sleep(0)
        task.cancel()  # while the engine still starts
        with suppress(asyncio.CancelledError):
            await task
        assert await durable.once("one", work) == "done"
    assert work.done == 1


async def test_many_at_the_same_time_and_those_that_ask_the_same_are_given_one_result(tmp_path: Path) -> None:
    work = Work("one")
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:
        assert await asyncio.gather(*(durable.once("same", work) for _ in range(10))) == ["one"] * 10

        async def one(number: int) -> Any:
            return await durable.once(f"steps/{number}", Work(number))

        assert await asyncio.gather(*map(one, range(50))) == list(range(50))
    async with open_durable(RUN, tmp_path / "steps.db", fresh=False) as durable:
        assert await durable.finished() == {f"steps/{number}": number for number in range(50)} | {"same": "one"}
    assert work.done == 1


async def test_runs_beside_one_another_in_one_process(tmp_path: Path) -> None:
    async def run(number: int) -> None:
        where = tmp_path / f"{number}.db"
        async with open_durable(f"20260314-153059-00000{number}", where, fresh=True) as durable:
            assert await durable.once("same key", Work(number)) == number
        async with open_durable(f"20260314-153059-00000{number}", where, fresh=False) as durable:
            assert await durable.finished() == {"same key": number}

    await asyncio.gather(*map(run, range(2)))


async def test_a_run_that_ends_at_once_waits_for_nothing(tmp_path: Path) -> None:
    """The engine takes a second to start: it is given up, and what it began is gone on with."""
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True):
        pass
    async with open_durable(RUN, tmp_path / "steps.db", fresh=True) as durable:
        assert await durable.once("one", Work(1)) == 1
