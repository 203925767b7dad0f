"""Hydra's refusals in the words of this program: which key, which value, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf

from abm.config.check_overrides import group_of, parse_overrides
from abm.config.keys import split_key
from abm.config.library import LIBRARY_GROUPS, Catalogue
from abm.config.schema import join, shown
from abm.errors import InputError, nearest

Composer = Callable[[Sequence[str], Catalogue], DictConfig]


def explain(error: Exception, overrides: Sequence[str], catalogue: Catalogue, composer: Composer) -> InputError:
    """Turn an error of hydra or OmegaConf into one that says what to write instead.

    Args:
        error: what hydra raised while composing `overrides`.
        overrides: the overrides, which passed `check_overrides`.
        catalogue: groups and options.
        composer: composes overrides without checks; used to see what exists without the bad one.
    """
    if isinstance(error, MissingConfigException):
        return InputError(f"A configuration file is missing: {_one_line(error)}")
    named = re.search(r"Could not override '([^']+)'|item is already at '([^']+)'|delete from config\. '([^']+)'|merging override (\S+)", str(error))
    if named is None:
        return InputError(f"The configuration cannot be composed: {_one_line(error)}")
    groups = [text for text, parsed in zip(overrides, parse_overrides(overrides), strict=True) if group_of(parsed, catalogue) or parsed.is_hydra_override()]
    try:
        base = composer(groups, catalogue)
    except Exception:
        return InputError(f"The configuration cannot be composed: {_one_line(error)}")
    texts = {parsed.key_or_group: text for text, parsed in zip(overrides, parse_overrides(overrides), strict=True)}
    key = named.group(1) or named.group(2) or named.group(3) or ""
    if named.group(2):
        return InputError(f"{texts.get(key, key)}: '{key}' exists already; change it with {texts.get(key, key).lstrip('+')} without '+'.")
    if not key:
        key = next((k for k, text in texts.items() if text == named.group(4)), named.group(4).split("=")[0].lstrip("+~"))
    return InputError(_missing_key(texts.get(key, key), key, base) or f"{texts.get(key, key)}: {_cause(error)}")


def _missing_key(text: str, key: str, base: DictConfig) -> str | None:
    """Say which part of a dotted key does not exist in the composed tree, and what does."""
    where = ""
    node: object = OmegaConf.to_container(base, resolve=False)
    for part in split_key(key):
        if isinstance(node, dict):
            if part not in node:
                allowed = [str(name) for name in node if name != "sources"]
                existing = f"Existing here: {', '.join(allowed) or 'nothing'}."
                return f"{text}: '{join(where, part)}' does not exist.{nearest(part, allowed)} {existing}{_how_to_add(where, part)}"
            node = node[part]
        elif isinstance(node, list):
            if not part.isdigit() or int(part) >= len(node):
                return f"{text}: '{where}' has {len(node)} entries, counted from 0."
            node = node[int(part)]
        else:
            return f"{text}: '{where}' is {shown(node)} here and has no key '{part}'; give the whole of it: '{where}={{...}}'."
        where = join(where, part)
    if isinstance(node, dict):
        return f"{text}: names below '{key}' cannot be replaced as a whole; add with '+{key}.NAME=...' and remove with '~{key}.NAME'."
    return None


def _how_to_add(where: str, part: str) -> str:
    open_mapping = where in (*LIBRARY_GROUPS.values(), "arms") or where.endswith(".subclones")
    return f" Add one with '+{where}.{part}=...'." if open_mapping else ""


def _cause(error: Exception) -> str:
    return _one_line(error.__cause__ or error)


def _one_line(error: BaseException) -> str:
    return " ".join(line.strip() for line in str(error).strip().splitlines() if line.strip())
