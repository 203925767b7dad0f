"""What a piece of the program is given of the model, its numbers and its state: only what it uses.

A compiled piece serves all runs in which these have the same shapes: the draw of packets
knows of no drug, the draw of healthy cells of no packet.  And what a piece is not given costs nothing at its calls.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class View(NamedTuple):
    """What a piece is given; names of fields, None = all."""

    model: Any  # with what the piece does not use at its default
    params: tuple[str, ...] | None = None
    rows: tuple[str, ...] | None = None
    packets: tuple[str, ...] | None = None
    books: tuple[str, ...] = ()  # of the carry: tally, stats


def seen(tree: Any, names: tuple[str, ...] | None) -> Any:
    """A named tuple with () in place of the fields that are not among `names`; () of a tree without fields, if there are no names."""
    if names is None:
        return tree
    if not names:
        return ()
    return tree._replace(**dict.fromkeys(set(tree._fields) - set(names), ()))


def put_back(before: Any, after: Any, names: tuple[str, ...] | None) -> Any:
    """`before` with the fields `names` of `after`."""
    if names is None:
        return after
    return before._replace(**{name: getattr(after, name) for name in names}) if names else before
