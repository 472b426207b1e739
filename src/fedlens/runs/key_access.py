"""Access to a record by the keys of version 0.1, which had mappings in place of classes."""

import warnings
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any


class KeyAccess:
    """A record whose values can also be had by the keys that they had in version 0.1, with a deprecation warning."""

    def by_old_keys(self) -> dict[str, Any]:
        """Return the record as the mapping that it was in version 0.1."""
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        self._warn(key)
        return self.by_old_keys()[key]

    if not TYPE_CHECKING:  # which would take any attribute for one

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or name not in self.by_old_keys():
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            self._warn(name)
            return self.by_old_keys()[name]

    def __contains__(self, key: object) -> bool:
        return key in self.by_old_keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_old_keys())

    def __bool__(self) -> bool:
        return True  # without asking for the length, which takes the old form to be made

    def __len__(self) -> int:
        return len(self.by_old_keys())

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key of version 0.1."""
        return self[key] if key in self.keys() else default

    def keys(self) -> KeysView[str]:
        """Return the keys of version 0.1."""
        return self.by_old_keys().keys()

    def values(self) -> ValuesView[Any]:
        """Return the values of version 0.1."""
        self._warn("values")
        return self.by_old_keys().values()

    def items(self) -> ItemsView[str, Any]:
        """Return the keys of version 0.1 with their values."""
        self._warn("items")
        return self.by_old_keys().items()

    def _warn(self, key: str) -> None:
        message = f"{type(self).__name__} has attributes now; {key!r} is a key of version 0.1"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
