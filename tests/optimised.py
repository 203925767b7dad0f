"""Programs that compute for longer than they compile: `tests/conftest.py` has all others compiled without optimisation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.metadata import version

import pytest

# XLA ends a process that names a flag it does not know, and later versions have no older emitters of kernels.
HAS_OLDER_EMITTERS = version("jaxlib").startswith("0.10.")
WITHOUT_OPTIMISATION = (
    *(("--xla_cpu_use_fusion_emitters=false",) if HAS_OLDER_EMITTERS else ()),
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
)
# What users have, for what must be the same to the bit in programs of other shapes: the older emitters round sums by their shape.
AS_USERS: dict[str, bool | int] = {
    **({"xla_cpu_use_fusion_emitters": True} if HAS_OLDER_EMITTERS else {}),
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
}
OPTIONS = "xla_backend_optimization_level=1,xla_llvm_disable_expensive_passes=False"


@contextlib.contextmanager
def optimised_programs() -> Iterator[None]:
    """Pieces of programs that are compiled here are optimised."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ABM_COMPILER_OPTIONS", OPTIONS)
        yield
