"""Compiled programs that are kept between runs, whole.

JAX keeps what XLA has compiled, but to find it there it traces and lowers the program
anew, which takes longer than all else that happens before the first step.  Here the
loaded program is found by what it is made from: the code of this package as it stands in
memory, so that a function that was replaced in a notebook is seen; the settings of the
piece; the shapes, types and places of its arguments; versions, devices and settings of JAX.
Whatever cannot be told apart by that is not kept, and a file that cannot be read is made anew.

Files are pickles of the user's own cache, as those of JAX are executables: whoever may write there may run code.
"""

from __future__ import annotations

import functools
import hashlib
import marshal
import os
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jaxlib
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache.compilation_cache import reset_cache

PACKAGE = "abm"
# Settings of JAX that say where and whether things are kept or shown, not what is computed.
_ASIDE = ("cache", "log", "traceback", "dump", "profiler")
# Some megabytes each; the oldest go.
_MOST_KEPT = 64
# Where what decorates a function keeps it.
_WRAPPERS = ("__wrapped__", "__func__", "fget", "func")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Source(NamedTuple):
    """What a program was made from."""

    modules: tuple[str, ...]  # where the functions are that it was traced from
    settings: tuple[Any, ...]  # their text must tell all of them


def ready(program: Callable[..., Any], source: Source, devices: tuple[jax.Device, ...], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """The compiled program for arguments of these shapes: of this process, else of the cache, else made and kept.

    Args:
        program: Jitted function.
        source: What it was made from.
        devices: Devices on which it runs.
        arguments: Arguments of a first call.
    """
    return _ready(program, source.modules, repr(source.settings), devices, described(arguments), _Arguments(arguments))


class _Arguments:
    """Arguments that are equal to all others: what tells them apart is their description."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Arguments)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=256)
def _ready(
    program: Callable[..., Any], modules: tuple[str, ...], settings: str, devices: tuple[jax.Device, ...], described: str, arguments: _Arguments
) -> Callable[..., Any]:
    values, arguments.values = arguments.values, ()
    folder = _folder()
    if folder is None or _ADDRESS.search(settings):
        return program
    path = folder / f"{_digest(settings, repr(devices), described, _surroundings(), code_in_memory(modules))}.program"
    loaded = _loaded(path, devices)
    if loaded is None:
        loaded = _made(program, values)
        _keep(loaded, path)
    return loaded


def _made(program: Any, values: tuple[Any, ...]) -> Callable[..., Any]:
    """Compiled anew, because what JAX has read from its own cache cannot be stored again: it has lost the code of its kernels."""
    lowered = program.lower(*values)
    jax.config.update("jax_enable_compilation_cache", False)
    reset_cache()
    try:
        made: Callable[..., Any] = lowered.compile()
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        reset_cache()
    return made


def _folder() -> Path | None:
    """Where programs are kept, None where JAX keeps none."""
    if (
        os.environ.get("ABM_STORED_PROGRAMS", "1") == "0"
        or not jax.config.values["jax_enable_compilation_cache"]
        or not jax.config.values["jax_compilation_cache_dir"]
    ):
        return None
    return Path(jax.config.values["jax_compilation_cache_dir"]) / "abm_programs"


def _loaded(path: Path, devices: tuple[jax.Device, ...]) -> Callable[..., Any] | None:
    try:
        executable, given, gives = pickle.loads(path.read_bytes())
        program: Callable[..., Any] = serialize_executable.deserialize_and_load(executable, given, gives, execution_devices=devices)
    except FileNotFoundError:
        return None
    except Exception:  # of another version, cut short, for another processor: whatever is wrong with a file, the program can be made anew
        path.unlink(missing_ok=True)
        return None
    os.utime(path)
    return program


def _keep(program: Any, path: Path) -> None:
    try:
        content = pickle.dumps(serialize_executable.serialize(program))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)
        by_use = sorted(path.parent.glob("*.program"), key=lambda file: file.stat().st_mtime)
        for old in by_use[:-_MOST_KEPT]:
            old.unlink(missing_ok=True)
    except (OSError, ValueError, RuntimeError):
        return  # a full disk, or a program or a device of which JAX keeps none: the next run compiles again


def described(arguments: tuple[Any, ...]) -> str:
    """Shapes, types, weakness and places of arrays."""
    leaves, structure = jax.tree.flatten(arguments)
    shapes = [(jax.typeof(leaf), getattr(leaf, "sharding", None)) for leaf in leaves]
    return f"{structure} {shapes}"


def _plain(value: Any) -> str:
    """Text of a value without the places in memory of what is in it, sets in order."""
    if isinstance(value, frozenset):
        return repr(sorted(_plain(item) for item in value))
    return _ADDRESS.sub("", repr(value))


def _digest(*texts: str) -> str:
    state = hashlib.sha256()
    for text in texts:
        state.update(f"{text}\0".encode())
    return state.hexdigest()


def _surroundings() -> str:
    """Versions, devices and settings that change what is compiled."""
    settings = {name: value for name, value in jax.config.values.items() if not any(word in name for word in _ASIDE)}
    devices = [(device.platform, device.device_kind, device.id) for device in jax.devices()]
    flags = {name: value for name, value in sorted(os.environ.items()) if name.startswith(("XLA_", "LIBTPU_", "NVIDIA_TF32"))}
    return repr((jax.__version__, jaxlib.__version__, sys.version, sorted(settings.items(), key=lambda item: item[0]), devices, flags, _processor()))


@functools.cache
def _processor() -> str:
    """Instructions that this machine knows: a home folder may be shared by unlike ones."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import platform

        return repr(platform.uname())
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def code_in_memory(modules: tuple[str, ...]) -> str:
    """Digest of the functions, classes and plain values of these modules and of all of this package that they name."""
    named = ((f"{module}.{name}", value) for module in _reached(modules) for name, value in sorted(vars(sys.modules[module]).items()))
    return _digest(*(f"{name} {text}" for name, value in named for text in _content(value)))


def _reached(modules: tuple[str, ...]) -> list[str]:
    """Modules, and those of this package from which they have names; not all that are loaded, which another thread may add to."""
    found, due = set[str](), set(modules)
    while due:
        module = due.pop()
        found.add(module)
        for value in list(vars(sys.modules[module]).values()):  # a copy: another thread may import
            origin = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
            if isinstance(origin, str) and origin.partition(".")[0] == PACKAGE and origin in sys.modules and origin not in found:
                due.add(origin)
    return sorted(found)


def _content(value: Any) -> Iterator[str]:
    """What tells a name's meaning from another's; nothing for modules, and for lists, which may grow while the program is running."""
    function = _unwrapped(value)
    if isinstance(function, types.FunctionType):
        yield _of_function(function)
    elif isinstance(value, type):
        for key, member in sorted(vars(value).items()):
            method = _unwrapped(member)
            if isinstance(method, types.FunctionType):
                yield f"{key} {_of_function(method)}"
    elif isinstance(value, int | float | complex | str | bytes | tuple | dict | frozenset) or type(value).__module__ == "numpy":
        yield _plain(value)


def _unwrapped(value: Any) -> Any:
    """The function within a jitted, cached or partial one, a method of a class or a property."""
    while not isinstance(value, types.FunctionType | type):
        inner = next((held for name in _WRAPPERS if (held := getattr(value, name, None)) is not None), None)
        if inner is None:
            break
        value = inner
    return value


def _of_function(function: types.FunctionType) -> str:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    closed = [_of_function(x) if isinstance(x, types.FunctionType) and x is not function else _plain(x) for x in cells]
    code = hashlib.sha256(marshal.dumps(_comparable(function.__code__))).hexdigest()
    return f"{function.__module__}.{function.__qualname__} {code} {_plain(function.__defaults__)} {_plain(function.__kwdefaults__)} {closed}"


def _comparable(code: types.CodeType) -> types.CodeType:
    """The code wherever its file lies; the order of a set's items differs between processes."""
    constants = tuple(_comparable(x) if isinstance(x, types.CodeType) else _plain(x) if isinstance(x, frozenset) else x for x in code.co_consts)
    return code.replace(co_filename="", co_consts=constants)
