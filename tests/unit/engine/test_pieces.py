"""Numbers as few arrays, views of the state, and which runs share programs."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.engine import pieces
from abm.engine.constants import NO_ROWS, laid_out, put_together
from abm.engine.devices import padded, row_mesh
from abm.engine.stored_programs import Source, described
from abm.engine.views import put_back, seen
from abm.errors import InputError
from tests.small_trial import mutating, run_small, small_experiment

ROWS = 3
KINDS = (np.float32, np.float64, np.int32, np.bool_)


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[np.ndarray], list[int]]:
    """Arrays with and without rows, of several types and of sizes on either side of what is joined."""
    arrays, axes = [], []
    for i in range(draw(st.integers(1, 8))):
        axis = draw(st.sampled_from([NO_ROWS, 0, 1]))
        shape = list(draw(st.lists(st.sampled_from([1, 2, 5, 40]), min_size=max(axis, 0), max_size=2)))
        if axis != NO_ROWS:
            shape.insert(axis, ROWS)
        values = np.arange(int(np.prod(shape)), dtype=np.float64) + 7 * i
        arrays.append(values.reshape(shape).astype(draw(st.sampled_from(KINDS))))
        axes.append(axis)
    return arrays, axes


@given(trees())
def test_what_is_laid_out_is_put_together_again(tree: tuple[list[np.ndarray], list[int]]) -> None:
    arrays, axes = tree
    layout, parts, part_axes = laid_out(arrays, axes)
    assert hash(layout) == hash(laid_out(arrays, axes)[0])
    for part, axis in zip(jax.tree.leaves(parts), jax.tree.leaves(part_axes), strict=True):
        assert axis == NO_ROWS or part.shape[axis] == ROWS
    for x, y in zip(arrays, put_together(layout, parts), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_rows_are_cut_as_a_whole() -> None:
    """The rows of the parts are those of the arrays, so that devices and batches may share them out."""
    arrays, axes = [np.arange(6.0).reshape(3, 2), np.arange(3.0), np.arange(4.0)], [0, 0, NO_ROWS]
    layout, parts, _ = laid_out(arrays, axes)
    assert list(parts.of_rows) == list(parts.constants) == ["float64"]
    last = put_together(layout, parts._replace(of_rows={"float64": parts.of_rows["float64"][2:]}))
    np.testing.assert_array_equal(last[0], [[4.0, 5.0]])
    np.testing.assert_array_equal(last[1], [2.0])
    np.testing.assert_array_equal(last[2], arrays[2])


class State(NamedTuple):
    a: Any
    b: Any
    c: Any


def test_a_view_hides_fields_and_is_put_back() -> None:
    state = State(1, 2, 3)
    assert seen(state, ("a", "c")) == State(1, (), 3)
    assert seen(state, None) is state
    assert seen(state, ()) == ()
    assert put_back(state, State(10, (), 30), ("a", "c")) == State(10, 2, 30)
    assert put_back(state, (), ()) is state


def test_few_small_rows_are_padded_to_one_number() -> None:
    mesh = row_mesh(2, None)
    n = mesh.devices.size
    assert [padded(rows, mesh, 48) for rows in (1, 2, 7)] == [8 * n] * 3
    assert padded(8 * n + 1, mesh, 48) == 9 * n
    assert padded(2, mesh, 2048) == 2 * n
    assert [padded(rows, mesh, 16384) for rows in (n, n + 1)] == [n, 2 * n]
    assert padded(n, mesh) == n


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pieces that a process would compile which has none; they leave the state as it is, so that nothing is compiled here."""
    names: list[str] = []
    known: set[tuple[Any, ...]] = set()

    def ready(program: Any, source: Source, devices: Any, arguments: tuple[Any, ...]) -> Any:
        key = source, described(arguments)
        if key not in known:
            known.add(key)
            names.append(source.settings[0])
        return nothing

    monkeypatch.setattr(pieces, "ready", ready)
    return names


def test_runs_share_the_pieces_that_do_not_know_what_differs(made: list[str]) -> None:
    """Another drug is another program of steps, blood another draw, mutation all but the draw of packets."""
    plain = small_experiment(arms=("vehicle", "venetoclax"))
    run_small(plain)
    assert sorted(made) == ["draw", "move", "pack", "steps"]
    made.clear()
    run_small(small_experiment(subjects=1, arms=("vehicle", "combination")))
    assert set(made) <= {"steps"}
    made.clear()
    run_small(dataclasses.replace(plain, lineages=small_experiment(blood=True).lineages))
    assert sorted(made) == ["draw", "steps"]
    made.clear()
    run_small(mutating(plain))
    assert sorted(made) == ["draw", "move", "pack", "steps"]  # a longer table of clones


def nothing(params: Any, subjects: Any, carry: Any, *when: Any) -> Any:
    return carry


def test_options_of_the_compiler_make_another_program() -> None:
    """They are part of what a program is kept by; that cells do not depend on them: beside M2 in `tests/theory/test_metamorphic.py`."""
    layout, _, axes = laid_out((), ())
    frozen = tuple(pieces.frozen(a) for a in (axes, (), ()))
    given, other = (pieces.compiled(nothing, (), row_mesh(1, 1), layout, frozen, options)[1] for options in ("", "xla_backend_optimization_level=0"))
    assert given.settings != other.settings
    with pytest.raises(InputError, match="no_value"):
        pieces.compiled(nothing, (), row_mesh(1, 1), layout, frozen, "no_value")
