"""Settings of all tests: strict numbers, no display, the same examples every time.

JAX reads its settings from the environment when it is imported, so that tests which do
not need it do not pay for it, and programs that tests start are as strict.
"""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax"))
os.environ["MPLBACKEND"] = "Agg"
# The matrices of the exact laws are small: threads of BLAS that wait for one another make them 70 times slower.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ.pop("ABM_DEBUG", None)

settings.register_profile("abm", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("abm")
