"""Keeping the sources of numbers out of the composition, and putting them back.

Most of the text in `conf/` is sources.  Hydra would merge and copy them as it does
values, which makes a composition 2.5 times slower.  So while we compose, the `sources`
of a file are replaced by the name of the file; merging collects these names, and
`with_sources` reads them back in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader

from abm.config.schema import SOURCES_KEY

_FILE_KEY = "file:"


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML as OmegaConf reads it (`1e6` is a number), faster."""

    yaml_implicit_resolvers = get_yaml_loader().yaml_implicit_resolvers

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError("while reading a mapping", node.start_mark, f"the key {key.value} stands twice", key.start_mark)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


class FileConfigSource(file_config_source.FileConfigSource):
    """Files of a folder, with the name of the file in the place of its sources.

    It bears the name of the class that it stands in for: hydra's launchers hand it on
    to other processes, where hydra refuses a class of another name.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        path = (Path(self.path) / self._normalize_file_name(config_path)).resolve()
        if not path.is_file():
            return super().load_config(config_path)  # raises hydra's own error
        content, header = read_apart(path)
        return ConfigResult(config=OmegaConf.create(content), path=f"{self.scheme()}://{self.path}", provider=self.provider, header=header)


def read_apart(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(content, header) of a configuration file, with the name of the file in the place of its sources.

    Raises:
        ConfigLoadError: the file holds something else than keys and values.
    """
    content, header = read(path)
    if isinstance(content.get(SOURCES_KEY), Mapping):
        content = {**content, SOURCES_KEY: {f"{_FILE_KEY}{path}": True}}
    return content, header


@lru_cache(maxsize=1024)
def _read_once(path: Path, changed_ns: int) -> tuple[dict[str, Any], dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    content = yaml.load(text, Loader=_Loader) or {}  # a subclass of the safe loader
    header: dict[str, Any] = FileConfigSource._get_header_dict(text[:512])
    return content, header


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(content, header) of a configuration file.

    Raises:
        ConfigLoadError: the file holds something else than keys and values.
    """
    content, header = _read_once(path, path.stat().st_mtime_ns)
    if not isinstance(content, Mapping):
        raise ConfigLoadError(f"{path}: a mapping of keys to values is needed.")
    return content, dict(header)


@contextmanager
def sources_apart() -> Iterator[None]:
    """Compose without sources in this block; hydra elsewhere is left as it is."""
    Plugins.instance()  # registers hydra's own kinds of sources first
    types = SourcesRegistry.instance().types
    before = types["file"]
    types["file"] = FileConfigSource
    try:
        yield
    finally:
        types["file"] = before


def with_sources(tree: Any) -> Any:
    """The tree with the sources of its files in the place of the names of the files."""
    if not isinstance(tree, Mapping):
        return tree
    return {key: _expand(value) if key == SOURCES_KEY and isinstance(value, Mapping) else with_sources(value) for key, value in tree.items()}


def _expand(sources: Mapping[str, Any]) -> dict[str, Any]:
    expanded: dict[str, Any] = {}
    for key, value in sources.items():
        if key.startswith(_FILE_KEY):
            expanded.update(read(Path(key.removeprefix(_FILE_KEY)))[0].get(SOURCES_KEY) or {})
        else:
            expanded[key] = value
    return expanded
