"""Registries: entries that the modules of one package add by name, and the names by which a user chooses among them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

from abm.errors import unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries by name.

    Args:
        package: Package whose modules add the entries.
        noun: What an entry is called.
    """

    def __init__(self, package: str, noun: str) -> None:
        self._package, self._noun = package, noun
        self.entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> None:
        """Add an entry; raise ValueError if its name is taken."""
        if name in self.entries:
            raise ValueError(f"two {self._noun}s are called '{name}'")
        self.entries[name] = entry

    def all(self) -> dict[str, T]:
        """Every entry, by module and then in the order in which it is written."""
        package = importlib.import_module(self._package)
        for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
            importlib.import_module(f"{self._package}.{module}")
        return dict(self.entries)


def marker(registry: Registry[T]) -> Callable[[T], T]:
    """Decorator that adds a function under its own full name; one that is read again replaces itself."""

    def mark(function: T) -> T:
        registry.entries[f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"] = function
        return function

    return mark


def check_names(noun: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise InputError for the first name that is not known, with the nearest that is."""
    for name in names:
        if name not in known:
            raise unknown_name(noun, name, known, noun=noun)
