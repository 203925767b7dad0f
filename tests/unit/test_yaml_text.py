"""YAML text is what the library in Python reads and writes."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from abm.yaml_text import from_yaml, to_yaml

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd"]), min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_again_also_by_the_library_in_python(tree: object) -> None:
    text = to_yaml(tree)
    assert from_yaml(text) == tree
    assert yaml.safe_load(text) == tree


def test_a_value_in_two_places_is_written_twice_and_keys_keep_their_order() -> None:
    shared = {"z": [1.5, None], "a": "µmol/L"}
    assert to_yaml({"second": shared, "first": shared}) == "second:\n  z:\n  - 1.5\n  - null\n  a: µmol/L\nfirst:\n  z:\n  - 1.5\n  - null\n  a: µmol/L\n"
