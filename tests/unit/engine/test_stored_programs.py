"""Programs that are kept between runs: found by all that they are made from, made anew where anything differs."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abm.biology.intracellular
import abm.engine.program
import abm.engine.transition
import abm.models.xenograft
from abm.engine import stored_programs
from abm.engine.stored_programs import Source, code_in_memory, ready
from abm.records import enable_pytrees

TRACED_FROM = ("abm.engine.program", "abm.models.xenograft")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty cache."""
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / "abm_programs"
    jax.config.update("jax_compilation_cache_dir", before)


class Program:
    """A jitted function that counts how often it is traced; a new one is a new process as far as the cache is concerned."""

    def __init__(self, factor: float = 2.0) -> None:
        self.traced = 0

        def double(x: jax.Array) -> jax.Array:
            self.traced += 1
            return x * factor

        self.function: Callable[..., Any] = jax.jit(double)

    def run(self, x: Any, settings: tuple[Any, ...] = ("double",)) -> np.ndarray:
        return np.asarray(ready(self.function, Source(TRACED_FROM, settings), (jax.devices()[0],), (x,))(x))


def test_a_kept_program_is_found_without_tracing(folder: Path) -> None:
    first, second = Program(), Program()
    x = jnp.arange(4.0)
    np.testing.assert_array_equal(first.run(x), 2.0 * np.arange(4.0))
    assert len(list(folder.glob("*.program"))) == 1
    np.testing.assert_array_equal(second.run(x), 2.0 * np.arange(4.0))
    assert (first.traced, second.traced) == (1, 0)


def test_a_program_of_several_devices_runs_on_them(folder: Path) -> None:
    """All that there are; the tests have two."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("rows",))
    x = jax.device_put(np.arange(8.0), jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows")))
    for traced in (1, 0):
        program = Program()
        found = ready(program.function, Source(TRACED_FROM, ("rows",)), tuple(jax.devices()), (x,))(x)
        np.testing.assert_array_equal(found, 2.0 * np.arange(8.0))
        assert found.sharding.device_set == set(jax.devices())
        assert program.traced == traced


def test_other_shapes_types_and_settings_are_other_programs(folder: Path) -> None:
    Program().run(jnp.arange(4.0))
    for x, settings in ((jnp.arange(5.0), ("double",)), (jnp.arange(4), ("double",)), (jnp.arange(4.0), ("other",))):
        program = Program(2)
        program.run(x, settings)
        assert program.traced == 1
    assert len(list(folder.glob("*.program"))) == 4


def test_a_function_that_was_replaced_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Program().run(jnp.arange(4.0))
    monkeypatch.setattr(abm.biology.intracellular, "apoptosis_hazard", lambda *numbers: 0.0)
    program = Program()
    program.run(jnp.arange(4.0))
    assert program.traced == 1


def test_a_replaced_number_or_function_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = code_in_memory(TRACED_FROM)
    assert code_in_memory(TRACED_FROM) == shipped
    monkeypatch.setattr(abm.engine.transition, "N_EXACT", 8)
    fewer = code_in_memory(TRACED_FROM)
    monkeypatch.setattr(abm.biology.intracellular, "slowing", lambda phi, params: 1.0)
    assert len({shipped, fewer, code_in_memory(TRACED_FROM)}) == 3
    monkeypatch.undo()
    assert code_in_memory(TRACED_FROM) == shipped


def _holding(kind: Callable[[Any], Any], number: int) -> types.ModuleType:
    """A module with a class that holds the function in this way."""
    space: dict[str, Any] = {}
    exec(f"def give(self=None): return {number}", space)
    module = types.ModuleType("holder")
    module.held = type("Held", (), {"give": kind(space["give"])})  # type: ignore[attr-defined]
    return module


KINDS: list[Callable[[Any], Any]] = [lambda f: f, property, functools.cached_property, functools.cache, classmethod, staticmethod, functools.partial, jax.jit]


@pytest.mark.parametrize("kind", KINDS, ids=["method", "property", "cached_property", "cache", "classmethod", "staticmethod", "partial", "jit"])
def test_functions_are_seen_however_they_are_held(kind: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for number in (1, 1, 2):
        monkeypatch.setitem(sys.modules, "holder", _holding(kind, number))
        digests.append(code_in_memory(("holder",)))
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_is_that_of_other_processes() -> None:
    """Whatever the order of their sets, and whichever modules they load besides."""
    enable_pytrees()
    code = f"""
import abm.engine.program, abm.models.xenograft
from abm.engine.stored_programs import code_in_memory
from abm.records import enable_pytrees
enable_pytrees()
print(code_in_memory({TRACED_FROM}))
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "7"}, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == code_in_memory(TRACED_FROM)


def test_a_file_that_cannot_be_read_is_made_anew(folder: Path) -> None:
    Program().run(jnp.arange(4.0))
    (path,) = folder.glob("*.program")
    path.write_bytes(path.read_bytes()[:100])
    program = Program()
    np.testing.assert_array_equal(program.run(jnp.arange(4.0)), 2.0 * np.arange(4.0))
    assert program.traced == 1
    assert path.stat().st_size > 100


def test_what_cannot_be_told_apart_or_is_not_wanted_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Program().run(jnp.arange(4.0), (object(),))
    monkeypatch.setenv("ABM_STORED_PROGRAMS", "0")
    Program().run(jnp.arange(4.0))
    assert not folder.exists()


def test_the_oldest_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_programs, "_MOST_KEPT", 2)
    kept: list[set[Path]] = []
    for number in range(3):
        Program().run(jnp.arange(4.0), (number,))
        for path in folder.glob("*.program"):
            os.utime(path, (path.stat().st_mtime - 10.0,) * 2)
        kept.append(set(folder.glob("*.program")))
    assert [len(files) for files in kept] == [1, 2, 2]
    assert not kept[0] & kept[2]
