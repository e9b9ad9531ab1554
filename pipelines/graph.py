"""What comes before what: rings, an order, and all that is needed through others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush

Needs = Mapping[str, Iterable[str]]
"""By node: the nodes that come before it. All of them are keys."""


def rings(needs: Needs) -> list[list[str]]:
    """One ring for each group of nodes that need one another, ``["a", "b", "a"]``, in the order of the nodes."""
    if len(order(needs)) == len(needs):
        return []
    found: list[list[str]] = []
    seen: set[str] = set()
    before = closure(needs)
    for node in needs:
        if node in seen or node not in before[node]:
            continue
        found.append(_ring(needs, node))
        seen |= {other for other in before[node] if node in before[other]}
    return found


def _ring(needs: Needs, start: str) -> list[str]:
    """The shortest way from ``start`` over what it needs back to itself."""
    way: dict[str, str] = {}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for node in needs[here]:
            if node == start:
                ring = [start, here]
                while ring[-1] != start:
                    ring.append(way[ring[-1]])
                return [start, *reversed(ring[1:-1]), start] if here != start else [start, start]
            if node not in way:
                way[node] = here
                queue.append(node)
    raise ValueError(f"{start} is in no ring")


def order(needs: Needs) -> list[str]:
    """The nodes, each after what it needs and else in their own order; without those in or behind a ring."""
    place = {node: at for at, node in enumerate(needs)}
    missing = {node: len(set(before)) for node, before in needs.items()}
    after: dict[str, list[str]] = {node: [] for node in needs}
    for node, before in needs.items():
        for other in set(before):
            after[other].append(node)
    nodes = list(needs)
    ready = [place[node] for node, count in missing.items() if not count]
    heapify(ready)
    ordered = []
    while ready:
        node = nodes[heappop(ready)]
        ordered.append(node)
        for other in after[node]:
            missing[other] -= 1
            if not missing[other]:
                heappush(ready, place[other])
    return ordered


def closure(needs: Needs) -> dict[str, set[str]]:
    """By node: all that comes before it, through others too. A node of a ring comes before itself.

    Fast for nodes that are in order (:func:`order`); else it goes over all of them several times.
    """
    place = {node: 1 << at for at, node in enumerate(needs)}
    reach = {node: sum(place[other] for other in set(before)) for node, before in needs.items()}
    changed = True
    while changed:
        changed = False
        for node, before in needs.items():
            bits = reach[node]
            for other in before:
                bits |= reach[other]
            if bits != reach[node]:
                reach[node] = bits
                changed = True
    return {node: {other for other, bit in place.items() if bits & bit} for node, bits in reach.items()}
