"""Work that is begun before the result of what came before it is needed."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def one_ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """The same items, each made before the last is worked on, so that what it began goes on meanwhile."""
    waiting: deque[_Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting
