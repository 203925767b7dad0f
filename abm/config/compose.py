"""From overrides to one resolved tree: `compose(["experiment=padua", "seed=7"])`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import hydra
import yaml
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigLoadError
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from abm.config.check_overrides import check_overrides
from abm.config.explain import explain
from abm.config.library import Catalogue, library_uncopied, read_catalogue, register_library, search_path
from abm.config.sources_apart import sources_apart
from abm.config.untouched import completed, untouched
from abm.errors import InputError

CONFIG_NAME = "config"
HYDRA_VERSION_BASE = "1.3"


def compose(overrides: Sequence[str] = (), *, config_dirs: Iterable[str | Path] = (), program: Path | None = None) -> DictConfig:
    """Compose the configuration of one run as the command line would.

    Args:
        overrides: what would stand on the command line, e.g. `["experiment=padua", "seed=7"]`.
        config_dirs: folders with further groups and library files, as `--config-dir`.
        program: folder that replaces the program's own `conf`.

    Returns:
        The composed tree; `abm.config.build.build` checks its values.  In it `sources` names the
        files that state them; `abm.config.build.stored_config` has the sources themselves.

    Raises:
        InputError: an override names an unknown key or option, or cannot be read.
    """
    catalogue = read_catalogue([Path(folder) for folder in config_dirs], program=program)
    check_overrides(overrides, catalogue)
    try:
        return compose_unchecked(overrides, catalogue)
    except yaml.YAMLError as error:
        raise InputError(f"A configuration file is not valid YAML: {' '.join(str(error).split())}") from error
    except (HydraException, ConfigLoadError, OmegaConfBaseException) as error:
        raise explain(error, overrides, catalogue, compose_unchecked) from error


def compose_unchecked(overrides: Sequence[str], catalogue: Catalogue) -> DictConfig:
    """Compose without our own checks; raises hydra's errors."""
    entries = untouched(overrides, catalogue)
    register_library(catalogue, apart=True, left_out=entries)
    own, *users = catalogue.folders
    with sources_apart(), library_uncopied(), hydra.initialize_config_dir(version_base=HYDRA_VERSION_BASE, config_dir=str(own)):
        extra = [search_path(users)] if users else []
        cfg = hydra.compose(CONFIG_NAME, overrides=[*overrides, *extra])
    cfg = completed(cfg, entries, catalogue)
    OmegaConf.set_struct(cfg, True)
    return cfg
