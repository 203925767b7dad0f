"""What a dose matrix refuses before anything runs."""

from __future__ import annotations

import pytest

from abm.config.build import build
from abm.config.compose import compose
from abm.errors import InputError
from abm.parameters.dose_matrix import well_name, with_zero


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dose_matrix.drug_a=venetoklax", r"dose_matrix.drug_a: unknown drug 'venetoklax'. Did you mean 'venetoclax'"),
        ("dose_matrix.drug_b=venetoclax", r"dose_matrix.drug_b = venetoclax: is the first drug too"),
        ("dose_matrix.doses_a_nm=[3,1]", r"doses_a_nm = \[3.0, 1.0\]: concentrations must rise"),
        ("dose_matrix.doses_a_nm=[1,1]", r"concentrations must rise, each given once"),
        ("dose_matrix.doses_b_nm=[-1]", r"doses_b_nm = \[-1.0\]: a concentration cannot be below 0"),
        ("dose_matrix.doses_b_nm=[0]", r"at least one concentration above 0"),
        ("dose_matrix.doses_b_nm=3", r"doses_b_nm = 3: a list is needed"),
        ("dose_matrix.hours=50", r"dose_matrix.hours = 50: must be a multiple of engine.window_hours = 12"),
        ("dose_matrix.hours=0", r"dose_matrix.hours = 0: a finite number above 0"),
        ("dose_matrix.washout_h=72", r"washout_h = 72: must lie before the end"),
        ("dose_matrix.serum_fraction=2", r"serum_fraction = 2: a finite number of at least 0 and of at most 1"),
        ("dose_matrix.hour=48", r"dose_matrix.hour.*Existing here: drug_a"),
        ("dose_matrix.growth.net_per_day=x", r"dose_matrix.growth.net_per_day = x: a number is needed"),
        ("host=mouse_nsg", r"host.species = mouse: a dose matrix is made in a dish"),
        ("arms=venetoclax_everolimus", r"arms = vehicle, .*makes its own arms"),
        ("cohort.resistance=[bmf_loss]", r"cells do not mutate in a dose matrix"),
        ("dose_matrix=null", r"task = dose_matrix: the keys under 'dose_matrix' are missing"),
    ],
)
def test_refused(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(compose(["experiment=dose_matrix", override]))


def test_nothing_but_a_dose_matrix_is_run_in_a_dish() -> None:
    with pytest.raises(InputError, match=r"nothing but a dose matrix is run in a dish"):
        build(compose(["host=dish"]))


def test_a_drug_without_a_dish_is_refused_with_what_to_add() -> None:
    tree = build(compose(["experiment=dose_matrix"]))
    assert list(tree.drugs) == ["venetoclax", "everolimus"]
    with pytest.raises(InputError, match=r"dose_matrix.drug_a = venetoclax: has no pharmacokinetics for a dish; add 'dish'"):
        build(compose(["experiment=dose_matrix", "~drugs.venetoclax.pharmacokinetics.dish"]))


def test_zero_is_added_and_wells_are_named_by_what_is_in_them() -> None:
    assert with_zero([1.0, 3.0]) == [0.0, 1.0, 3.0]
    assert with_zero([0.0, 3.0]) == [0.0, 3.0]
    assert well_name("venetoclax", 100.0, "everolimus", 3.0) == "venetoclax 100 nM + everolimus 3 nM"
    assert well_name("venetoclax", 0.0, "everolimus", 0.3) == "everolimus 0.3 nM"
    assert well_name("venetoclax", 0.0, "everolimus", 0.0) == "untreated"
