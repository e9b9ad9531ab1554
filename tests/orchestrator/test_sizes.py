import asyncio

import pytest

from orchestrator.sizes import Sizes
from quarterdeck.errors import NotFound


class Terminals:
    """Records the sizes that were set."""

    def __init__(self):
        self.set = []
        self.news = asyncio.Event()

    async def resize(self, agent, cols, lines):
        if agent == "gone":
            raise NotFound("gone")
        self.set.append((agent, cols, lines))
        self.news.set()

    async def next(self):
        async with asyncio.timeout(10):
            await self.news.wait()
        self.news.clear()
        return self.set.pop(0)


@pytest.fixture
async def terminals():
    return Terminals()


@pytest.fixture
async def sizes(terminals):
    sizes = Sizes(terminals.resize)
    task = asyncio.create_task(sizes.run())
    yield sizes
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_first_client_decides_until_another_focuses(sizes, terminals):
    sizes.declare(1, "a", 80, 24)
    sizes.declare(2, "a", 120, 40)
    assert await terminals.next() == ("a", 80, 24)
    sizes.focus(2, "a")
    assert await terminals.next() == ("a", 120, 40)
    sizes.declare(1, "a", 90, 30)
    sizes.declare(2, "a", 121, 41)
    assert await terminals.next() == ("a", 121, 41)
    assert terminals.set == []


async def test_only_the_last_of_many_sizes_is_set(sizes, terminals):
    for cols in range(20, 120):
        sizes.declare(1, "a", cols, 30)
    assert await terminals.next() == ("a", 119, 30)
    assert terminals.set == []


async def test_when_the_decider_goes_another_that_shows_it_decides(sizes, terminals):
    sizes.declare(1, "a", 80, 24)
    sizes.focus(1, "a")
    sizes.declare(2, "a", 120, 40)
    assert await terminals.next() == ("a", 80, 24)
    sizes.forget(1)
    assert await terminals.next() == ("a", 120, 40)
    sizes.forget(2)
    sizes.declare(3, "b", 10, 10)
    assert await terminals.next() == ("b", 10, 10), "a hidden terminal keeps its size"


async def test_focus_before_size(sizes, terminals):
    sizes.declare(1, "a", 80, 24)
    assert await terminals.next() == ("a", 80, 24)
    sizes.focus(2, "a")
    sizes.declare(2, "a", 100, 50)
    assert await terminals.next() == ("a", 100, 50)


async def test_one_terminals_trouble_is_its_own(sizes, terminals):
    sizes.declare(1, "gone", 80, 24)
    sizes.declare(1, "a", 80, 24)
    assert await terminals.next() == ("a", 80, 24)
    sizes.declare(1, "gone", 81, 24)
    sizes.declare(1, "a", 81, 24)
    assert await terminals.next() == ("a", 81, 24)
