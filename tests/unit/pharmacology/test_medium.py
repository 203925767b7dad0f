"""Free drug in a medium with serum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.pharmacology.medium import unbound_in_medium


@given(st.floats(1e-4, 1.0), st.floats(0.0, 1.0))
def test_bound_over_free_goes_with_the_share_of_serum(fu: float, serum: float) -> None:
    medium = unbound_in_medium(fu, serum)
    assert fu - 1e-12 <= medium <= 1.0
    assert (1.0 - medium) / medium == pytest.approx(serum * (1.0 - fu) / fu, rel=1e-6, abs=1e-9)


def test_venetoclax_and_everolimus_in_ten_percent() -> None:
    assert unbound_in_medium(0.005, 0.1) == pytest.approx(0.0478, abs=5e-5)
    assert unbound_in_medium(0.27, 0.1) == pytest.approx(0.79, abs=5e-3)
