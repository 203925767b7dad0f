"""The house rules, read off the source: floors, cycles, size, and what may be imported where."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "abm"
MAX_LINES = 400

# A module imports only from floors below its own, or from its own room.
FLOORS = {
    "errors": 0,
    "registry": 1,
    "units": 0,
    "records": 0,
    "yaml_text": 0,
    "streams": 0,
    "parameters": 1,
    "subject": 1,
    "cells": 1,
    "clones": 1,
    "biology": 2,
    "pharmacology": 2,
    "engine": 3,
    "models": 3,
    "readouts": 4,
    "endpoints": 4,
    "output": 4,
    "studies": 4,
    "config": 5,
    "figures": 5,
    "guides": 5,
    "launch": 6,
    "run": 6,
    "verification": 7,
    "cli": 7,
    "targets": 8,
    "calibration": 9,
    "__main__": 9,
    "": 7,
}
# Rooms of one floor that may look at one another, in one direction.
NEIGHBOURS = {
    ("models", "engine"),
    ("studies", "readouts"),
    ("studies", "endpoints"),
    ("studies", "output"),
    ("endpoints", "readouts"),
}
# What a refused input must not wait for.
FAST = ("config", "parameters", "launch", "records", "errors", "units", "yaml_text", "cli", "__main__")


def modules() -> dict[str, Path]:
    """All modules by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    """First name below `abm`, empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imports(module: str, *, at_import_time: bool = False) -> set[str]:
    """Names that a module imports, as dotted modules; types that only a checker reads are left out."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if at_import_time and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else str(node.module))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_below(module: str) -> None:
    here = room(module)
    assert here in FLOORS, f"{module}: its room '{here}' has no floor; give it one in this test and in the guide"
    for name in imports(module):
        if name != "abm" and not name.startswith("abm."):
            continue
        there = room(name)
        assert there in FLOORS, f"{module} imports {name}, whose room has no floor"
        allowed = here == there or FLOORS[there] < FLOORS[here] or (here, there) in NEIGHBOURS
        assert allowed, f"{module} (floor {FLOORS[here]}) imports {name} (floor {FLOORS[there]})"


def test_there_is_no_cycle() -> None:
    graph = {module: {name for name in imports(module) if name in MODULES and name != module} for module in MODULES}
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for name in sorted(graph[module]):
                walk(name, (*path, module))
            done.add(module)

    for module in graph:
        walk(module, ())
    assert done == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_not_too_long(module: str) -> None:
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{module} has {lines} lines"


@pytest.mark.parametrize("module", MODULES)
def test_matplotlib_is_imported_inside_functions(module: str) -> None:
    assert not {name for name in imports(module, at_import_time=True) if name.split(".")[0] == "matplotlib"}


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in FAST])
def test_what_must_be_fast_does_not_import_jax(module: str) -> None:
    heavy = {"jax", "jaxlib", "xarray", "pandas", "h5py"}
    assert not heavy & {name.split(".")[0] for name in imports(module, at_import_time=True)}


def test_a_refused_override_is_refused_before_jax_is_imported() -> None:
    program = (
        "import sys\n"
        "from abm.cli import main\n"
        "code = main(['engine.packets=-5', 'progress=false'])\n"
        "heavy = {'jax', 'xarray', 'pandas', 'matplotlib', 'h5py'} & set(sys.modules)\n"
        "print(code, sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    assert done.stdout.split("\n")[0] == "2 []", done.stdout + done.stderr
    assert "engine.packets = -5" in done.stderr
