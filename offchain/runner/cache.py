"""A cache that is bounded by the bytes of what it holds."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Keeps what was used last, up to `limit_bytes`, and the last value whatever its size."""

    def __init__(self, limit_bytes: int):
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self._held: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """The value, or None."""
        if key not in self._held:
            return None
        self._held.move_to_end(key)
        return self._held[key][0]

    def put(self, key: Hashable, value: Value, size_bytes: int) -> None:
        """Hold a value, dropping those that were not used for longest."""
        if key in self._held:
            self.size_bytes -= self._held.pop(key)[1]
        self._held[key] = (value, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self.limit_bytes and len(self._held) > 1:
            _, (_, dropped_bytes) = self._held.popitem(last=False)
            self.size_bytes -= dropped_bytes
