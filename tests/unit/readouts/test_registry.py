"""Readouts are found by file, in the order that the series had; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

from abm.readouts.registry import _READOUTS, CURVE, Readout, all_readouts, readout
from abm.readouts.series import series
from abm.readouts.view import View


@pytest.fixture
def only() -> Iterator[None]:
    """No readouts but those that the test marks."""
    known = all_readouts()
    _READOUTS.entries.clear()
    yield
    _READOUTS.entries.clear()
    _READOUTS.entries.update(known)


def called(name: str, dims: tuple[str, ...] = CURVE) -> Readout:
    """A readout of that name in a module `own`."""

    def function(view: View) -> xr.Dataset:
        return xr.Dataset({"number": (dims, np.ones([2, 3, 4, 5][: len(dims)]))})

    function.__module__, function.__qualname__ = "own", name
    return function


def looks() -> View:
    """A view of 2 arms, 3 subjects and 4 days whose cells nobody reads."""
    names = ("a", "b"), ("1", "2", "3"), ("x", "x", "x")
    return View(*names, mechanisms={}, times=np.arange(4.0), seen=None, drugs=(), lineages={}, host=None)  # type: ignore[arg-type]


def test_the_order_is_that_of_the_series_and_what_is_added_comes_last() -> None:
    readout(called("alpha"))
    try:
        names = [name.rpartition(".")[2] for name in all_readouts()]
    finally:
        _READOUTS.entries.pop("own.alpha")
    assert names == ["populations", "blood_counts", "residual_disease", "cell_states", "concentrations", "alpha"]


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize("dims", [("arm", "time"), ("subject", "arm", "time"), ("drug", *CURVE)])
def test_axes_that_do_not_fit_are_refused(dims: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_READOUTS, "all", lambda: dict(_READOUTS.entries))
    readout(called("alpha", dims))
    with pytest.raises(ValueError, match=r"readout 'own\.alpha': 'number' has the axes"):
        series(looks())


@pytest.mark.usefixtures("only")
def test_a_variable_has_one_readout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_READOUTS, "all", lambda: dict(_READOUTS.entries))
    readout(called("alpha"))
    assert series(looks())["number"].dims == CURVE
    readout(called("beta"))
    with pytest.raises(ValueError, match=r"readout 'own\.beta': 'number' is a variable of 'own\.alpha'"):
        series(looks())
