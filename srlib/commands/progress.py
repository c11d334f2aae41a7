"""The bar that shows how far a command is: tqdm's, or, where that is not installed, one that nobody sees."""

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["Bar"]


class _Silent:
    """As much of a tqdm bar as the commands use."""

    def __init__(self, items: Iterable[Any] = (), *, total: int | None = None, **_: Any) -> None:
        self.items, self.total, self.n = items, total, 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __enter__(self) -> "_Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: int) -> None:
        self.n += count

    def set_postfix(self, **_: Any) -> None:
        pass

    def set_description_str(self, *_: Any, **__: Any) -> None:
        pass

    def clear(self) -> None:
        pass

    def write(self, text: str) -> None:
        print(text, flush=True)


try:
    from tqdm import tqdm as Bar
except ImportError:
    Bar = _Silent
