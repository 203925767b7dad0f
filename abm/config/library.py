"""Where the configuration files are, which groups and options they offer.

Every file of a library group (drug, regimen, leukaemia, lineage, stem_cell, resistance, assay, product) is part of every
composition, under the name of the file: one new file is one new drug.  The list of
these files is generated and given to hydra as the config `library`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.config_store import ConfigStore

from abm.config.sources_apart import read, read_apart
from abm.errors import InputError

LIBRARY_GROUPS = {
    "drug": "drugs",
    "regimen": "regimens",
    "leukaemia": "leukaemias",
    "lineage": "lineages",
    "stem_cell": "stem_cells",
    "resistance": "mechanisms",
    "assay": "assays",
    "product": "products",
}
LIBRARY_CONFIG = "library"
_STEM = re.compile(r"^[A-Za-z0-9_-]+$")
# What stands in hydra's store: whether sources stand apart, and (group, option, file, time of its last change) of every file.
_registered: list[tuple[bool, list[tuple[str, str, Path, int]]]] = []


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Groups and options of the configuration folders.

    Attributes:
        folders: the folder of the program first, then those of the user.
        options: for every group its options, e.g. {"experiment": ("padua", "theory/birth_death")}.
    """

    folders: tuple[Path, ...]
    options: dict[str, tuple[str, ...]]

    def path(self, group: str, option: str) -> Path:
        """The file of an option."""
        files = [folder / group / f"{option}.yaml" for folder in self.folders]
        return next(file for file in files if len(files) == 1 or file.is_file())

    @property
    def single_choice(self) -> tuple[str, ...]:
        """Groups of which exactly one option is chosen."""
        return tuple(name for name in self.options if name not in LIBRARY_GROUPS)


def program_folder() -> Path:
    """The program's own `conf` folder: inside the installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise InputError(f"The configuration folder 'conf' was found neither in {package} nor beside it. Is the installation complete?")


def read_catalogue(user_folders: Iterable[Path] = (), *, program: Path | None = None) -> Catalogue:
    """List the groups and options of the program's folder and of the user's folders.

    Raises:
        InputError: a user folder does not exist, or holds a file under the name of one of the program's.
    """
    own = (program if program is not None else program_folder()).resolve()
    options: dict[str, list[str]] = {}
    for group, option in _files(own):
        options.setdefault(group, []).append(option)
    known = {(group, option) for group in options for option in options[group]}
    folders = [own]
    for folder in user_folders:
        if not folder.is_dir():
            raise InputError(f"--config-dir {folder}: there is no such folder.")
        for group, option in _files(folder):
            if (group, option) in known:
                raise InputError(f"--config-dir {folder}: {group}/{option}.yaml exists already and would be ignored. Give the file a name of its own.")
            known.add((group, option))
            options.setdefault(group, []).append(option)
        folders.append(folder.resolve())
    return Catalogue(folders=tuple(folders), options={group: tuple(sorted(names)) for group, names in sorted(options.items())})


def _files(folder: Path) -> list[tuple[str, str]]:
    """Pairs (group, option) of the YAML files in the groups of a folder."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        parts = path.relative_to(folder).with_suffix("").parts
        if len(parts) < 2 or parts[0] == "hydra":
            continue
        if parts[0] in LIBRARY_GROUPS and not (len(parts) == 2 and _STEM.match(parts[1])):
            raise InputError(f"{path}: a file of '{parts[0]}' names a {parts[0]}; use letters, digits, '_' and '-', and no folders.")
        found.append((parts[0], "/".join(parts[1:])))
    return found


def library_files(catalogue: Catalogue) -> list[tuple[str, str, Path, int]]:
    """(group, option, file, time of its last change) of all library files, in the order of the composed tree."""
    files = [(group, option, catalogue.path(group, option)) for group in LIBRARY_GROUPS for option in catalogue.options.get(group, ())]
    return [(*file, file[2].stat().st_mtime_ns) for file in files]


def register_library(catalogue: Catalogue, *, apart: bool = False, left_out: Container[tuple[str, str]] = ()) -> None:
    """Hand hydra the library files as the config `library`.

    A file that builds on others (`defaults`, `@package`) is named in the list of defaults.  All
    other files stand in the config itself: hydra's work grows with the square of the
    length of that list.  What hydra has already is left there.

    Args:
        catalogue: The files.
        apart: The names of the files stand in the place of their sources, as within `sources_apart`.
        left_out: Entries of the tree, (mapping, name), that are not handed over.

    Raises:
        ConfigLoadError: a file holds something else than keys and values.
    """
    state = (apart, [file for file in library_files(catalogue) if (LIBRARY_GROUPS[file[0]], file[1]) not in left_out])
    if [state] == _registered:
        return
    defaults: list[dict[str, str] | str] = []
    merged: dict[str, dict[str, object]] = {mapping: {} for mapping in LIBRARY_GROUPS.values()}
    for group, option, path, _ in state[1]:
        mapping = LIBRARY_GROUPS[group]
        content, header = read_apart(path) if apart else read(path)
        if stands_alone(content, header):
            merged[mapping][option] = content
        else:
            defaults.append({f"{group}@{mapping}.{option}": option})
    ConfigStore.instance().store(name=LIBRARY_CONFIG, node={"defaults": ["_self_", *defaults], **merged})
    _registered[:] = [state]


def stands_alone(content: Mapping[str, object], header: Mapping[str, object]) -> bool:
    """Whether a file says all there is to say, and says it of itself."""
    return bool(content) and "defaults" not in content and not any(header.values())


@contextmanager
def library_uncopied() -> Iterator[None]:
    """Let hydra read its store where it stands in this block, instead of a copy of all of it for each question.

    Hydra copies the store with every repository that it makes, one for every group that `--help` lists; it only reads them.
    """
    if hasattr(ConfigStore, "__deepcopy__"):  # within another such block
        yield
        return
    ConfigStore.__deepcopy__ = lambda store, _: store  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del ConfigStore.__deepcopy__  # type: ignore[attr-defined]


def search_path(folders: Sequence[Path]) -> str:
    """Override that makes hydra look into the user's folders too."""
    return f"hydra.searchpath=[{','.join(repr('file://' + str(folder.resolve())) for folder in folders)}]"
