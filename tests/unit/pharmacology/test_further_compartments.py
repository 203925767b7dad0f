"""Transit chains, stages and metabolites against closed forms and a general solver of the equations, and beside plain drugs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import gammainc
from scipy.stats import poisson

from abm.parameters.drug import Metabolite, Pharmacokinetics
from abm.pharmacology.compartments import IndividualPk, individual_parameters
from abm.pharmacology.exposure import plan_exposure
from abm.pharmacology.regimen import Dose
from tests.unit.pharmacology.closed_forms import MOLAR_MASS, Course, course, every

Array = NDArray[np.float64]

ORAL = Pharmacokinetics(
    scaling="per_subject",
    clearance_l_per_h=17.4,
    central_volume_l=25.2,
    intercompartmental_l_per_h=51.1,
    peripheral_volume_l=400.0,
    absorption_per_h=0.647,
    bioavailability=0.7,
    lag_h=0.0,
    fraction_unbound=0.06,
    tissue_factor=1.0,
    clearance_cv=0.0,
    volume_cv=0.0,
)
INFUSED = dataclasses.replace(ORAL, absorption_per_h=None, bioavailability=1.0)
METABOLITE = Metabolite(acts_through="metabolite", formed_fraction=0.8, first_pass_fraction=0.3, clearance_l_per_h=3.1, volume_l=61.0, relative_potency=0.4)
CHAIN = dataclasses.replace(ORAL, transit_compartments=4, transit_per_h=2.3)
STAGED = dataclasses.replace(INFUSED, intercompartmental_l_per_h=0.0, clearance_l_per_h=0.00525, central_volume_l=1.69, stages=14, stage_per_h=0.02263)
EVERYTHING = dataclasses.replace(CHAIN, metabolite=METABOLITE)
GRID = np.concatenate([np.arange(0.0, 48.0, 1.5), np.arange(48.0, 97.0, 7.0)])


def simulate(drugs: dict[str, Pharmacokinetics], doses: Sequence[Dose], grid_h: Array, gate: float = 1.0) -> Course:
    """One typical subject, amounts in mg and concentrations in mg/L."""
    pk = IndividualPk.stack([individual_parameters(drug, np.zeros((1, 2))) for drug in drugs.values()], rows=1)
    masses = [MOLAR_MASS] * len(drugs)
    plan = plan_exposure(pk, drugs=list(drugs), molar_mass_g_per_mol=masses, doses=[tuple(doses)], track_of_row=np.zeros(1, int), grid_days=grid_h / 24.0)
    return course(plan, [0], gate)


def solved(pk: Pharmacokinetics, dose_mg: float, t_h: Array) -> Array:
    """(central, metabolite) concentrations after one dose through the transit chain, by a general solver."""
    of, n = pk.metabolite, pk.transit_compartments
    assert of is not None
    assert pk.absorption_per_h is not None

    def slope(_: float, y: Any) -> Any:
        transits, (depot, central, peripheral, metabolite) = y[:n], y[n:]
        fed = np.concatenate([[0.0], pk.transit_per_h * transits])
        out, there, back = (a / b for a, b in ((pk.clearance_l_per_h, pk.central_volume_l), (51.1, pk.central_volume_l), (51.1, pk.peripheral_volume_l)))
        absorbed = pk.absorption_per_h * depot
        return [
            *(fed[:-1] - pk.transit_per_h * transits),
            fed[-1] - absorbed,
            (1.0 - of.first_pass_fraction) * absorbed - (out + there) * central + back * peripheral,
            there * central - back * peripheral,
            of.first_pass_fraction * absorbed + of.formed_fraction * out * central - of.clearance_l_per_h / of.volume_l * metabolite,
        ]

    start = np.zeros(n + 4)
    start[0] = pk.bioavailability * dose_mg
    y = solve_ivp(slope, (0.0, float(t_h[-1])), start, method="LSODA", t_eval=t_h, rtol=1e-11, atol=1e-13).y
    concentrations: Array = np.stack([y[n + 1] / pk.central_volume_l, y[n + 3] / of.volume_l])
    return concentrations


def through(pk: Pharmacokinetics, moiety: str) -> Pharmacokinetics:
    assert pk.metabolite is not None
    return dataclasses.replace(pk, metabolite=dataclasses.replace(pk.metabolite, acts_through=moiety))


def test_chain_with_metabolite_solves_its_equations() -> None:
    parent, metabolite = solved(EVERYTHING, 10.0, GRID)
    for moiety, expected in (("parent", parent), ("metabolite", metabolite), ("both", parent + 0.4 * metabolite)):
        found = simulate({"drug": through(EVERYTHING, moiety)}, [Dose(0.0, "drug", 10.0, 0.0)], GRID).conc[:, 0, 0]
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10, err_msg=moiety)


def test_transit_chain_into_a_lasting_compartment_is_a_gamma_distribution() -> None:
    pk = dataclasses.replace(CHAIN, intercompartmental_l_per_h=0.0, clearance_l_per_h=0.0, absorption_per_h=2.3)
    found = simulate({"drug": pk}, [Dose(0.0, "drug", 10.0, 0.0)], GRID).conc[:, 0, 0]
    # Four transits and the depot at one rate: an Erlang law of five steps.
    np.testing.assert_allclose(found, 7.0 / 25.2 * gammainc(5, 2.3 * GRID), rtol=1e-11, atol=1e-15)


def test_stages_are_lost_after_the_last() -> None:
    hours = np.arange(0.0, 24.0 * 40.0, 24.0)
    found = simulate({"drug": STAGED}, [Dose(0.0, "drug", 2500.0, 0.0)], hours).conc[:, 0, 0]
    expected = 2500.0 / 1.69 * np.exp(-0.00525 / 1.69 * hours) * poisson.cdf(13, 0.02263 * hours)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_exposure_to_a_metabolite_is_what_is_formed_over_its_clearance() -> None:
    infused = dataclasses.replace(INFUSED, metabolite=dataclasses.replace(METABOLITE, first_pass_fraction=0.0))
    for pk, share in ((infused, 0.8), (EVERYTHING, 0.7 * (0.3 + 0.7 * 0.8))):
        mean = simulate({"drug": pk}, every(24.0, 3, 10.0, duration_h=3.0), np.arange(0.0, 24.0 * 200.0, 24.0)).mean[:, 0, 0]
        assert mean.sum() * 24.0 == pytest.approx(share * 30.0 / 3.1, rel=1e-9)


def test_concentration_before_a_dose_is_that_of_what_acts() -> None:
    doses = [Dose(0.0, "drug", 10.0, 0.0), Dose(8.25 / 24.0, "drug", 10.0, 0.0)]
    found = simulate({"drug": EVERYTHING}, doses, np.array([0.0, 6.0, 12.0]))
    _, metabolite = solved(EVERYTHING, 10.0, np.array([0.0, 8.25]))
    assert found.before[1, 0, 0] == pytest.approx(metabolite[-1], rel=1e-8)


def test_a_plain_drug_is_the_same_beside_one_with_more_states() -> None:
    doses = (*every(24.0, 3, 10.0, drug="plain"), *every(30.0, 3, 20.0, drug="long", duration_h=1.0))
    alone = simulate({"plain": ORAL}, [dose for dose in doses if dose.drug == "plain"], GRID)
    beside = simulate({"long": EVERYTHING, "plain": ORAL, "staged": STAGED}, doses, GRID)
    long = simulate({"long": EVERYTHING}, [dose for dose in doses if dose.drug == "long"], GRID)
    for name in ("conc", "mean", "before", "dosed"):
        assert np.array_equal(getattr(beside, name)[:, :, 1], getattr(alone, name)[:, :, 0]), name
        assert np.array_equal(getattr(beside, name)[:, :, 0], getattr(long, name)[:, :, 0]), name
    assert np.array_equal(beside.state[:, :, 1, :3], alone.state[:, :, 0])
    assert not np.any(beside.state[:, :, 1, 3:])
    assert alone.state.shape[-1] == 3


def test_no_dose_is_no_drug_to_the_bit() -> None:
    nothing = simulate({"long": EVERYTHING, "staged": STAGED}, [Dose(0.2, "long", 7.0, 0.1), Dose(0.3, "staged", 9.0, 0.0)], GRID, gate=0.0)
    for part in (nothing.state, nothing.conc, nothing.mean, nothing.before):
        assert part.tobytes() == bytes(part.nbytes)


def test_drug_and_metabolite_are_cleared_alike_by_a_subject() -> None:
    z = np.array([[0.0, 0.0], [1.0, 0.0], [-2.0, 1.0]])
    many = individual_parameters(dataclasses.replace(EVERYTHING, clearance_cv=0.4, volume_cv=0.2), z)
    factor = many["clearance_l_per_h"] / 17.4
    np.testing.assert_allclose(many["metabolite_per_h"], 3.1 / 61.0 * factor, rtol=1e-14)
    np.testing.assert_allclose(many["metabolite_weight"] * 61.0, many["central_volume_l"], rtol=1e-14)
    assert len(set(factor)) == 3
