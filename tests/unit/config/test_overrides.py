"""Overrides: what hydra would swallow is refused, with the name that was probably meant."""

from __future__ import annotations

import pytest

from abm.config.check_overrides import check_overrides
from abm.config.compose import compose
from abm.config.library import Catalogue, read_catalogue
from abm.errors import InputError

CATALOGUE = read_catalogue()

# Refused without composing anything.
AT_ONCE = [
    ("sede=3", "sede: there is no such key. Did you mean 'seed'?"),
    ("+sede=3", "Did you mean 'seed'?"),
    ("++engine.pakets=4", "engine.pakets: there is no such key. Did you mean 'packets'?"),
    ("+engine.colour=red", "engine.colour: there is no such key."),
    ("packets=4", "Did you mean 'engine.packets'?"),
    ("treatment_day=4", "Did you mean 'trial.treatment_days'?"),
    ("+arms.x.regimn=vehicle", "arms.x.regimn: there is no such key. Did you mean 'regimen'?"),
    ("regimens.x.events.0.dose=3", "regimens.x.events.0.dose: there is no such key."),
    ("seed.x=1", "'seed' is a single value and has no key 'x'."),
    ("host.sources.weight_kg=1", "sources are stated in the files"),
    ("trial=[pdx,padua]", "trial=[pdx,padua]: choose one option of 'trial', not a list. Options: diagnosis, padua, pdx, relapsed."),
    ("experiment=padu", "unknown option of 'experiment', 'padu'. Did you mean 'padua'?"),
    ("host=mouse_nsgg", "Did you mean 'mouse_nsg'?"),
    ("hots=mouse_nsg", "Did you mean 'host'?"),
    ("schedule=weekly", "schedule: there is no such key."),
    ("foo/bar=1", "unknown group 'foo/bar'."),
    ("drug=venetoclax", "all files of 'drug' are loaded"),
    ("regimen=vehicle", "choose by arms.NAME.regimen=..."),
    ("leukaemia=bmf_null", "choose by cohort.leukaemias=[...]"),
    ("+experiment=padua", "write experiment=padua without '+'"),
    ("~host", "a group cannot be removed"),
    ("host=null", "unknown option of 'host', 'None'."),
    ("seed=1,2", "several values need --multirun"),
    ("seed=range(1,4)", "several values need --multirun"),
    ("seed", "cannot be read as key=value"),
    ("seed=1 2", None),
    ("+arms.x={regimen: venetoclax", "cannot be read as key=value"),
]


@pytest.mark.parametrize(("override", "expected"), AT_ONCE, ids=[case[0] for case in AT_ONCE])
def test_refused_before_anything_is_composed(override: str, expected: str | None) -> None:
    if expected is None:  # a text with a space is a value; the records refuse it later
        check_overrides([override], CATALOGUE)
        return
    with pytest.raises(InputError) as caught:
        check_overrides([override], CATALOGUE)
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_all_bad_overrides_are_named_together() -> None:
    with pytest.raises(InputError) as caught:
        check_overrides(["sede=1", "seed=3", "+hots=x"], CATALOGUE)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["sede", "hots"]


ACCEPTED = [
    "seed=3",
    "++seed=3",
    "engine.packets=1e6",
    "+arms.x={regimen: venetoclax}",
    "+arms.x.regimen=venetoclax",
    "~arms.everolimus",
    "+leukaemias.bmf_null.subclones.early={fraction: 0.1}",
    "regimens.combination.events.0.amount=50",
    "drugs.venetoclax.targets.bh3.ki_bcl2_nm=1",
    "theory.anything=1",
    "experiment=null",
    "host=mouse_nsg",
    "hydra.verbose=true",
    "hydra/launcher=joblib",
    "cohort.leukaemias=[bmf_null]",
]


@pytest.mark.parametrize("override", ACCEPTED)
def test_accepted(override: str) -> None:
    check_overrides([override], CATALOGUE)


def test_a_sweep_is_accepted_with_multirun_and_each_option_is_checked() -> None:
    check_overrides(["seed=1,2", "trial=pdx,padua"], CATALOGUE, multirun=True)
    with pytest.raises(InputError, match="Did you mean 'padua'"):
        check_overrides(["trial=pdx,paduaa"], CATALOGUE, multirun=True)


# Hydra's own refusals, in other words.
BY_HYDRA = [
    ("+seed=3", "+seed=3: 'seed' exists already; change it with seed=3 without '+'."),
    ("~arms.nobody", "'arms.nobody' does not exist. Existing here: vehicle,"),
    ("arms.vehicel.regimen=x", "'arms.vehicel' does not exist. Did you mean 'vehicle'?"),
    ("arms.extra={regimen: vehicle}", "Add one with '+arms.extra=...'."),
    ("arms={only: {regimen: vehicle}}", "cannot be replaced as a whole; add with '+arms.NAME=...' and remove with '~arms.NAME'."),
    ("drugs.venetoklax.label=x", "'drugs.venetoklax' does not exist. Did you mean 'venetoclax'?"),
    ("regimens.combination.events.7.day=1", "'regimens.combination.events' has 2 entries, counted from 0."),
    ("theory.n0=3", "'theory' is null here and has no key 'n0'"),
]


@pytest.mark.parametrize(("override", "expected"), BY_HYDRA, ids=[case[0] for case in BY_HYDRA])
def test_what_hydra_refuses_is_explained_without_advising_plus(override: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        compose([override])
    assert expected in str(caught.value)
    assert "To append to your config" not in str(caught.value)


def test_the_catalogue_lists_nested_experiments() -> None:
    catalogue = Catalogue(folders=(), options={"experiment": ("padua", "theory/birth_death")})
    check_overrides(["experiment=theory/birth_death"], catalogue)
    with pytest.raises(InputError, match="Did you mean 'theory/birth_death'"):
        check_overrides(["experiment=theory/birth_deth"], catalogue)
