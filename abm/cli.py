"""The commands `abm` and `abm-check`: exit code 0 = complete, 2 = refused input, 75 = stopped with a checkpoint, 1 = fault."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from abm.config.check_overrides import check_overrides
from abm.config.compose import CONFIG_NAME, HYDRA_VERSION_BASE, compose, compose_unchecked
from abm.config.explain import explain
from abm.config.library import Catalogue, library_uncopied, program_folder, read_catalogue, register_library
from abm.config.sources_apart import sources_apart
from abm.errors import EXIT_COMPLETE, EXIT_FAULT, AbmError, InputError, Stopped
from abm.launch.arguments import Request, read_arguments
from abm.launch.job import STOP, run_job
from abm.launch.sweep import check_sweep, sweep_folder_override, sweep_member

DEBUG_VARIABLE = "ABM_DEBUG"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    STOP.clear()
    try:
        with STOP.listening():
            _perform(read_arguments(sys.argv[1:] if argv is None else argv))
    except AbmError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("\nabm: interrupted; what was not checkpointed is lost.", file=sys.stderr)
        return EXIT_FAULT
    except BrokenPipeError:  # the reader of our output, e.g. `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAULT
    except Exception:
        traceback.print_exc()
        print("abm: fault in the program; nothing of an unfinished result was kept.", file=sys.stderr)
        return EXIT_FAULT
    return EXIT_COMPLETE


def check(argv: Sequence[str] | None = None) -> int:
    """The command `abm-check`: like `abm` with `check=true`, whatever else is given."""
    return main([*(sys.argv[1:] if argv is None else argv), "check=true"])


def _perform(request: Request) -> None:
    if request.mode == "version":
        from abm.output.provenance import software_version

        print(f"abm {software_version()}")
        return
    if request.mode == "run":
        cfg = compose(request.overrides, config_dirs=request.config_dirs)
        run_job(cfg, request.overrides)
        return
    catalogue = read_catalogue(request.config_dirs)
    extra: list[str] = []
    if request.mode == "sweep":
        check_sweep(request.overrides, catalogue, request.config_dirs)
        extra = sweep_folder_override(request.overrides)
    else:
        check_overrides(request.overrides, catalogue)
    _call_hydra(request, extra, catalogue, sweep_member)


def _call_hydra(request: Request, extra: list[str], catalogue: Catalogue, task: Callable[[DictConfig], None]) -> None:
    """Let hydra do what it does for any application: sweeps, launchers, --help, --cfg, --info."""
    apart = request.mode != "show"  # what is shown includes the sources
    register_library(catalogue, apart=apart)
    decorated = hydra.main(version_base=HYDRA_VERSION_BASE, config_path=str(program_folder()), config_name=CONFIG_NAME)(task)
    faster = sources_apart() if apart else nullcontext()
    try:
        with _hydra_arguments([*request.flags, *request.overrides, *extra]), faster, library_uncopied():
            decorated()
    except SystemExit as exit_:
        if exit_.code not in (None, 0):
            raise
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, request.overrides, catalogue, compose_unchecked) from error


@contextmanager
def _hydra_arguments(arguments: list[str]) -> Iterator[None]:
    """Hydra reads `sys.argv`, and hands its errors to us only when asked for full ones."""
    before_argv, before_full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["abm", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before_argv
        if before_full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before_full


def _report(error: AbmError) -> int:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        traceback.print_exc()
    if isinstance(error, InputError):
        lines = str(error).splitlines()
        print("\n".join(["abm: input refused, nothing was run or written.", *(f"  {line}" for line in lines)]), file=sys.stderr)
    elif isinstance(error, Stopped):
        print(f"abm: stopped. {error}", file=sys.stderr)
    else:
        print(f"abm: {type(error).__name__}: {error}", file=sys.stderr)
    return error.exit_code
