"""Composition: the library is every file, the user's folder extends it, sources survive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from abm.config.build import build, stored_config
from abm.config.compose import compose
from abm.config.library import LIBRARY_GROUPS, Catalogue, program_folder, read_catalogue
from abm.config.untouched import Entry, untouched
from abm.errors import InputError

CONF = program_folder()


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_every_file_of_the_library_is_composed_under_its_name() -> None:
    cfg = compose()
    for group, mapping in LIBRARY_GROUPS.items():
        files = {path.stem for path in (CONF / group).glob("*.yaml")}
        assert files
        assert set(cfg[mapping]) == files
        for stem in files:
            label = yaml.safe_load((CONF / group / f"{stem}.yaml").read_text(encoding="utf-8"))["label"]
            assert cfg[mapping][stem].label == label


def test_defaults() -> None:
    cfg = compose()
    assert cfg.task == "trial"
    assert cfg.experiment_name == "pdx_trial"
    assert list(cfg.arms) == ["vehicle", "venetoclax", "everolimus", "combination"]
    assert list(cfg.cohort.leukaemias) == ["bmf_competent", "bmf_null", "etp_like"]
    assert cfg.trial.start_human_cd45_percent == 5.0
    assert "hydra" not in cfg


def test_an_experiment_changes_groups_and_overrides_win_over_it() -> None:
    cfg = compose(["experiment=padua"])
    assert (cfg.experiment_name, cfg.trial.start_human_cd45_percent, cfg.trial.event_human_cd45_percent) == ("padua", 30.0, 60.0)
    assert cfg.trial.treatment_days == compose().trial.treatment_days
    assert compose(["experiment=padua", "trial.event_human_cd45_percent=50"]).trial.event_human_cd45_percent == 50


def test_arms_are_added_and_removed() -> None:
    cfg = compose(["+arms.x={regimen: venetoclax}", "~arms.everolimus"])
    assert list(cfg.arms) == ["vehicle", "venetoclax", "combination", "x"]
    assert list(compose(["arms=none", "+arms.only={regimen: vehicle}"]).arms) == ["only"]


def test_a_users_folder_adds_drugs_regimens_and_experiments(tmp_path: Path) -> None:
    write(tmp_path, "drug/variant.yaml", "defaults: [venetoclax, _self_]\nlabel: Variant\nmolar_mass_g_per_mol: 500.0\n")
    write(tmp_path, "regimen/variant.yaml", "defaults: [venetoclax, _self_]\nlabel: Variant\n")
    write(
        tmp_path,
        "experiment/mine.yaml",
        "# @package _global_\ndefaults:\n  - override /arms: none\n  - override /trial: padua\nexperiment_name: mine\narms:\n  test: {regimen: variant}\n",
    )
    cfg = compose(["experiment=mine", "regimens.variant.events.0.drug=variant"], config_dirs=[tmp_path])
    assert cfg.drugs.variant.label == "Variant"
    assert cfg.drugs.variant.targets == compose().drugs.venetoclax.targets
    experiment = build(cfg)
    assert list(experiment.drugs) == ["variant"]
    assert list(experiment.regimens) == ["variant"]
    assert experiment.trial.start_human_cd45_percent == 30.0
    assert "variant" not in compose().drugs, "a folder lasts for one composition"


def test_the_keys_of_a_theory_experiment_can_be_changed_by_name(tmp_path: Path) -> None:
    keys = "task: theory\ntheory:\n  name: birth_death\n  n0: 200\n  phases: [[60, 0.14, 0.13]]\n"
    write(tmp_path, "experiment/theory/own.yaml", f"# @package _global_\n{keys}")
    cfg = compose(["experiment=theory/own", "theory.n0=1e3", "theory.phases=[[30,0.2,0.1],[60,0.1,0.2]]"], config_dirs=[tmp_path])
    assert (cfg.theory.n0, cfg.theory.phases[1][0]) == (1000.0, 60)
    with pytest.raises(InputError, match=r"'theory\.n_0' does not exist\. Did you mean 'n0'\?"):
        compose(["experiment=theory/own", "theory.n_0=3"], config_dirs=[tmp_path])


def test_a_users_file_may_not_hide_behind_one_of_the_program(tmp_path: Path) -> None:
    write(tmp_path, "drug/venetoclax.yaml", "label: Mine\n")
    with pytest.raises(InputError, match=r"drug/venetoclax\.yaml exists already and would be ignored"):
        compose(config_dirs=[tmp_path])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        compose(config_dirs=[tmp_path / "nowhere"])


@pytest.mark.parametrize("name", ["drug/a.b.yaml", "drug/folder/a.yaml", "drug/a b.yaml"])
def test_the_name_of_a_library_file_must_be_usable_as_a_key(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "label: x\n")
    with pytest.raises(InputError, match="use letters, digits"):
        read_catalogue([tmp_path])


BROKEN = [("label: [1,\n", "not valid YAML"), ("label: a\nlabel: b\n", "the key label stands twice"), ("- 1\n", "a mapping of keys")]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    write(tmp_path, "drug/broken.yaml", text)
    with pytest.raises(InputError) as caught:
        compose(config_dirs=[tmp_path])
    assert expected in str(caught.value)
    assert "broken.yaml" in str(caught.value) or "line" in str(caught.value)


def test_numbers_are_read_as_omegaconf_reads_them(tmp_path: Path) -> None:
    text = "label: x\nmolar_mass_g_per_mol: 1e3\n"
    write(tmp_path, "drug/numbers.yaml", f"defaults: [venetoclax, _self_]\n{text}")
    assert compose(config_dirs=[tmp_path]).drugs.numbers.molar_mass_g_per_mol == OmegaConf.create(text).molar_mass_g_per_mol == 1000.0


def test_stored_sources_are_those_of_the_files() -> None:
    cfg = compose(["experiment=padua"])
    stored = stored_config(cfg, build(cfg))
    own, inherited = (yaml.safe_load((CONF / "trial" / f"{name}.yaml").read_text(encoding="utf-8"))["sources"] for name in ("padua", "pdx"))
    assert stored["trial"]["sources"] == {**inherited, **own}
    drug = yaml.safe_load((CONF / "drug" / "venetoclax.yaml").read_text(encoding="utf-8"))
    assert stored["drugs"]["venetoclax"]["sources"] == drug["sources"]
    assert "navitoclax" not in stored["drugs"], "what the run does not use is not stored"


@pytest.mark.parametrize(
    "overrides",
    [
        ["experiment=paediatric_chemo", "drugs.venetoclax.label=x", "~drugs.sirolimus", "cohort.mix.patient_typical=0.43"],
        ["regimens.combination.events.0.amount=3", "+regimens.mine={label: Mine, events: []}", "leukaemias.bmf_null.label=Null"],
    ],
)
def test_entries_that_hydra_is_not_given_stand_as_if_it_had_composed_them(overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    apart = compose(overrides)
    handed = []

    def nothing(given: Sequence[str], catalogue: Catalogue) -> dict[Entry, None]:
        handed.append(len(untouched(given, catalogue)))
        return {}

    monkeypatch.setattr("abm.config.compose.untouched", nothing)
    assert OmegaConf.to_yaml(apart) == OmegaConf.to_yaml(compose(overrides))
    assert handed[0] > 40, "most entries are put in after the composition"
    assert apart.drugs.venetoclax._get_root() is apart


def test_a_composed_tree_is_nobody_elses() -> None:
    first, second = compose(), compose()
    first.drugs.everolimus.label = "changed"
    assert second.drugs.everolimus.label != "changed"
    assert compose().drugs.everolimus.label == second.drugs.everolimus.label


def test_a_users_file_may_say_something_of_a_library_entry(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ndrugs: {venetoclax: {label: Mine}}\n", encoding="utf-8")
    cfg = compose(["experiment=mine"], config_dirs=[tmp_path])
    assert cfg.drugs.venetoclax.label == "Mine"
    assert cfg.drugs.venetoclax.molar_mass_g_per_mol == compose().drugs.venetoclax.molar_mass_g_per_mol
