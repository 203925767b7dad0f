"""The guide names every variable, group and attribute of the format."""

from __future__ import annotations

from pathlib import Path

from abm.output import layout
from abm.output.provenance import KINDS

GUIDE = (Path(layout.__file__).resolve().parents[1] / "guides" / "output.md").read_text(encoding="utf-8")


def test_the_guide_names_all_of_the_format() -> None:
    variables = [v.name for v in (*layout.SERIES, *layout.ENDPOINTS, *layout.EVENTS)]
    clones = list(layout.required_columns("clones"))
    patterns = [v.name.replace(r"(?P<what>\w+)", "") for v in layout.ENDPOINT_PATTERNS]
    for name in (*variables, *clones, *layout.ROOT_ATTRIBUTES, *KINDS, *layout.ARRAY_GROUPS, *layout.TABLE_GROUPS):
        assert f"`{name}`" in GUIDE or f"`/{name}`" in GUIDE, name
    for part in patterns:
        assert part in GUIDE, part
    assert f'"{layout.FORMAT} {layout.FORMAT_VERSION}"' in GUIDE
