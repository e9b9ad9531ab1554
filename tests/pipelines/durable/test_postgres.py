"""Two machines are two state folders and one URL."""

import asyncio
from typing import Any

import pytest

from pipelines import dbos_engine
from pipelines.durable import open_durable
from pipelines.ports import Json
from quarterdeck.errors import Broken, Invalid, Refused

RUN, OTHER = "20260314-153059-4f1c2b", "20260314-153059-4f1c2c"


class Work:
    def __init__(self, value: Json) -> None:
        self.value = value
        self.done = 0

    async def __call__(self) -> Json:
        self.done += 1
        return self.value


async def test_another_machine_goes_on(postgres: str) -> None:
    first, second = Work({"text": "\0 ö \ud800"}), Work([1.5, None])
    async with open_durable(RUN, postgres, fresh=True) as durable:
        assert await durable.once("steps/a", first) == first.value
    async with open_durable(RUN, postgres, fresh=False) as durable:
        assert await durable.once("steps/a", first) == first.value
        assert await durable.once("steps/b", second) == second.value
    with pytest.raises(Refused, match="was begun before"):
        async with open_durable(RUN, postgres, fresh=True) as durable:
            await durable.finished()
    async with open_durable(RUN, postgres, fresh=False) as durable:
        assert await durable.finished() == {"steps/a": first.value, "steps/b": second.value}
    assert (first.done, second.done) == (1, 1)


async def test_runs_share_a_database_and_know_nothing_of_one_another(postgres: str) -> None:
    async with (
        open_durable(RUN, postgres, fresh=True) as one,
        open_durable(OTHER, postgres, fresh=True) as other,
    ):
        assert await asyncio.gather(one.once("a", Work(1)), other.once("a", Work(2))) == [1, 2]
    async with open_durable(OTHER, postgres, fresh=False) as other:
        assert await other.finished() == {"a": 2}


async def test_one_machine_has_a_run_also_over_a_time_without_the_server(server: Any, postgres: str) -> None:
    async with open_durable(RUN, postgres, fresh=True) as durable:
        await durable.once("a", Work(1))
        await asyncio.to_thread(server.stop)
        try:
            second = Work(2)
            asked = asyncio.create_task(durable.once("b", second))
            while not second.done:
                await asyncio.sleep(0)
        finally:
            await asyncio.to_thread(server.start)
        assert await asked == 2
        with pytest.raises(Refused, match="goes on in another process"):
            async with open_durable(RUN, postgres, fresh=False):
                pass
    async with open_durable(RUN, postgres, fresh=False) as durable:
        assert await durable.finished() == {"a": 1, "b": 2}


async def test_a_password_is_never_told() -> None:
    url = "postgresql://somebody:geheim@127.0.0.1:1/runs?password=geheim"
    with pytest.raises(Broken) as caught:
        async with open_durable(RUN, url, fresh=False):
            pass
    assert "geheim" not in repr(caught.value.as_json())
    assert "127.0.0.1" in caught.value.message


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite:///x.db", "runs"])
async def test_another_kind_of_database_is_told(url: str) -> None:
    with pytest.raises(Invalid, match="is no kind of database for runs"):
        async with open_durable(RUN, url, fresh=True):
            pass


def test_the_schema_is_the_version_that_is_stored(postgres: str) -> None:
    import psycopg

    async def run() -> None:
        async with open_durable(RUN, postgres, fresh=True) as durable:
            await durable.once("a", Work(1))

    asyncio.run(run())
    with psycopg.connect(postgres) as connection:
        query = "SELECT workflow_uuid, status, executor_id, application_version FROM quarterdeck.workflow_status"
        assert connection.execute(query).fetchall() == [(f"{RUN}/a", "SUCCESS", RUN, str(dbos_engine.SCHEMA))]
        connection.execute("UPDATE quarterdeck.workflow_status SET application_version = '2'")
    with pytest.raises(Broken, match=r"newer Quarterdeck \(schema 2, this one knows 1\)"):
        asyncio.run(_look(postgres))


async def _look(url: str) -> None:
    async with open_durable(RUN, url, fresh=False):
        pass
