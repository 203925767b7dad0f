"""What a host does to the pharmacokinetics of a drug, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from abm.config.build import build
from abm.config.compose import compose
from abm.config.drug_checks import check_drug, kinetics_problem
from abm.errors import InputError
from abm.parameters.drug import Drug, Metabolite, Pharmacokinetics, Targets
from abm.parameters.host import Host
from abm.pharmacology.covariates import host_pharmacokinetics

METABOLITE = Metabolite(acts_through="both", formed_fraction=0.5, first_pass_fraction=0.0, clearance_l_per_h=2.0, volume_l=30.0)
FIRST_PASS = dataclasses.replace(METABOLITE, first_pass_fraction=0.2)
PK = Pharmacokinetics(
    scaling="per_m2",
    clearance_l_per_h=4.0,
    central_volume_l=10.0,
    intercompartmental_l_per_h=1.0,
    peripheral_volume_l=20.0,
    absorption_per_h=0.5,
    bioavailability=0.8,
    lag_h=0.0,
    fraction_unbound=0.1,
    tissue_factor=1.0,
    clearance_cv=0.3,
    volume_cv=0.2,
    metabolite=METABOLITE,
)


def drug(**changes: Any) -> Drug:
    kinetics = changes.pop("pharmacokinetics", {"human": PK})
    targets = Targets(bh3=None, mtorc1=None, stress=None, bim=None, cytotoxic=None)
    return Drug(label="", matrix="plasma", molar_mass_g_per_mol=300.0, pharmacokinetics=kinetics, targets=targets, **changes)


@pytest.fixture(scope="module")
def human() -> Host:
    return dataclasses.replace(build(compose([])).host, species="human", weight_kg=70.0, body_surface_m2=1.8)


def test_body_surface_scales_clearances_and_volumes_of_drug_and_metabolite(human: Host) -> None:
    pk = host_pharmacokinetics(drug(), human)
    assert pk.scaling == "per_subject"
    assert (pk.clearance_l_per_h, pk.central_volume_l, pk.intercompartmental_l_per_h, pk.peripheral_volume_l) == (7.2, 18.0, 1.8, 36.0)
    assert pk.metabolite == dataclasses.replace(METABOLITE, clearance_l_per_h=3.6, volume_l=54.0)
    assert (pk.absorption_per_h, pk.bioavailability, pk.clearance_cv) == (0.5, 0.8, 0.3)


def test_clearance_may_grow_as_a_power_of_body_surface(human: Host) -> None:
    child = dataclasses.replace(PK, scaling="per_subject", clearance_surface_exponent=1.4, surface_reference_m2=1.27)
    pk = host_pharmacokinetics(drug(pharmacokinetics={"human": child}), human)
    assert pk.clearance_l_per_h == pytest.approx(4.0 * (1.8 / 1.27) ** 1.4, rel=1e-14)
    assert pk.central_volume_l == 10.0
    assert pk.clearance_surface_exponent == 0.0


def test_an_inhibitor_slows_clearance_and_a_meal_changes_absorption(human: Host) -> None:
    one = drug(cyp3a_inhibitor_clearance_factor=0.25, food_bioavailability={"fasting": 0.3, "low_fat": 1.0})
    assert host_pharmacokinetics(one, human).clearance_l_per_h == 7.2
    slowed = host_pharmacokinetics(one, dataclasses.replace(human, cyp3a_inhibitor=True, food="fasting"))
    assert slowed.clearance_l_per_h == pytest.approx(1.8)
    assert slowed.bioavailability == pytest.approx(0.24)
    assert host_pharmacokinetics(one, dataclasses.replace(human, food="high_fat")).bioavailability == 0.8


def test_an_age_group_has_its_own_parameters_or_those_of_the_species(human: Host) -> None:
    child = dataclasses.replace(human, age_group="child")
    both = drug(pharmacokinetics={"human": PK, "human_child": dataclasses.replace(PK, scaling="per_subject")})
    assert host_pharmacokinetics(both, child).clearance_l_per_h == 4.0
    assert host_pharmacokinetics(both, human).clearance_l_per_h == 7.2
    assert host_pharmacokinetics(drug(), child).clearance_l_per_h == 7.2


def test_a_drug_without_parameters_for_the_host_is_refused(human: Host) -> None:
    mouse = dataclasses.replace(human, species="mouse")
    assert kinetics_problem(drug(), mouse) == "has no pharmacokinetics for the host's species 'mouse' (it has: human)."
    with pytest.raises(InputError, match="no pharmacokinetics"):
        host_pharmacokinetics(drug(), mouse)
    shapeless = dataclasses.replace(human, body_surface_m2=None)
    assert "host.body_surface_m2" in str(kinetics_problem(drug(), shapeless))
    with pytest.raises(InputError, match=r"host\.body_surface_m2"):
        host_pharmacokinetics(drug(), shapeless)
    assert kinetics_problem(drug(), human) is None


def test_a_mouse_drug_of_the_library_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"vincristine: has no pharmacokinetics for the host's species 'mouse' \(it has: human\)"):
        build(compose(["regimens.venetoclax.events.0.drug=vincristine"]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"food_bioavailability": {"fasted": 0.3}}, "unknown meal 'fasted'. Did you mean 'fasting'?"),
        ({"food_bioavailability": {"fasting": -0.3}}, "must not be negative"),
        ({"dosed_in": "U"}, "needs 1e6"),
        ({"pharmacokinetics": {"human": dataclasses.replace(PK, absorption_per_h=None, transit_compartments=2)}}, "human.transit_compartments = 2"),
        ({"pharmacokinetics": {"human": dataclasses.replace(PK, stages=3)}}, "human.stages = 3"),
        (
            {"pharmacokinetics": {"human": dataclasses.replace(PK, absorption_per_h=None, metabolite=FIRST_PASS)}},
            "first_pass_fraction",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(changes: dict[str, Any], said: str) -> None:
    problems = check_drug("mine", drug(**changes))
    assert len(problems) == 1
    assert said in problems[0]
    assert problems[0].startswith("drugs.mine.")
    assert check_drug("mine", drug()) == []
