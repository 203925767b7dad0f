"""Sources: every number of `conf/` has one, and the numbers agree with the literature typed in again.

The second half is an independent reading.  Values are typed in the units of the papers
and labels, converted here, and compared with what `conf/` holds; they must not be copied
from `conf/`.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from abm.output.provenance import gather_sources

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
FILES = sorted(file for file in CONF.rglob("*.yaml") if "hydra" not in file.relative_to(CONF).parts)
KINDS = {"measured", "derived", "fitted", "assumed", "setting"}
NEED_RANGE = {"derived", "fitted", "assumed"}
AVOGADRO = 6.02214076e23


@functools.cache
def read(file: Path) -> dict[str, Any]:
    content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    assert isinstance(content, dict)
    content.pop("hydra", None)
    return {str(key): value for key, value in content.items()}


def name(file: Path) -> str:
    return str(file.relative_to(CONF))


def source_keys(content: Any) -> Iterator[tuple[Any, str]]:
    """Every key of every `sources`, with the mapping that it speaks about."""
    if isinstance(content, Mapping):
        for key in content.get("sources") or {}:
            yield content, str(key)
        for key, below in content.items():
            if key != "sources":
                yield from source_keys(below)
    elif isinstance(content, list):
        for below in content:
            yield from source_keys(below)


def exists(content: Any, path: list[str]) -> bool:
    if not path:
        return True
    if path[0] == "*":
        below = content.values() if isinstance(content, Mapping) else content
        return any(exists(value, path[1:]) for value in below)
    if isinstance(content, Mapping):
        return path[0] in content and exists(content[path[0]], path[1:])
    if isinstance(content, list):
        if path[0].isdecimal():
            return int(path[0]) < len(content) and exists(content[int(path[0])], path[1:])
        return any(exists(value, path) for value in content)
    return False


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_number_has_a_complete_source(file: Path) -> None:
    for key, source in gather_sources(read(file)).items():
        assert source["kind"] in KINDS, f"{name(file)}: {key} has kind '{source['kind']}'; add it to `sources`"
        assert str(source.get("ref", "")).strip(), f"{name(file)}: {key} has no ref"
        assert str(source.get("where", "")).strip(), f"{name(file)}: {key} has no where"
        if source["kind"] in NEED_RANGE:
            assert "range" in source, f"{name(file)}: {key} is {source['kind']} and needs a range"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_value_lies_in_its_range(file: Path) -> None:
    for key, source in gather_sources(read(file)).items():
        if "range" in source:
            low, high = source["range"]
            assert low <= source["value"] <= high, f"{name(file)}: {key} = {source['value']} lies outside [{low}, {high}]"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_source_speaks_of_something_that_exists(file: Path) -> None:
    for content, key in source_keys(read(file)):
        assert exists(content, re.sub(r"\[(\d+)\]", r".\1", key).split(".")), f"{name(file)}: sources names '{key}', which the file does not hold"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_measured_numbers_cite_something_that_a_reader_can_find(file: Path) -> None:
    citable = re.compile(r"\b(19|20)\d\d\b|doi:|PMC\d|prescribing information|publication \d+|C\d+H\d+")
    for key, source in gather_sources(read(file)).items():
        if source["kind"] in ("measured", "fitted"):
            assert citable.search(source["ref"]), f"{name(file)}: {key} is {source['kind']}, but '{source['ref']}' cannot be looked up"


def test_sections_of_the_guide_that_sources_name_exist() -> None:
    guide = (ROOT / "abm" / "guides" / "model.md").read_text(encoding="utf-8")
    wanted = {number for file in FILES for number in re.findall(r"guide 'model', section (\d+)", file.read_text(encoding="utf-8"))}
    assert wanted
    for number in wanted:
        assert re.search(rf"^## {number}\. ", guide, re.MULTILINE), f"conf/ refers to section {number} of abm/guides/model.md"


def test_wild_card_and_list_positions_are_understood() -> None:
    content = {"events": [{"amount": 1.0}], "a": {"x": {"n": 1}}}
    assert exists(content, ["events", "0", "amount"])
    assert exists(content, ["events", "amount"])
    assert exists(content, ["a", "*", "n"])
    assert not exists(content, ["a", "*", "m"])
    assert not exists(content, ["events", "1", "amount"])


# --------------------------------------------------------------------------------------
# An independent reading.  Keys: file, dotted key; value: what the literature gives, in
# its own unit, with the conversion spelled out; tolerance: relative.

READINGS: list[tuple[str, str, float, float]] = [
    # Dave 2019 Table 2 and the label: 293 L/d reaches AUC 32.8 ug.h/mL at 400 mg; Q 130 L/d; ka 3.83 /d; lag 0.04 d
    ("drug/venetoclax", "pharmacokinetics.human.clearance_l_per_h", 293 / 24, 0.005),
    ("drug/venetoclax", "pharmacokinetics.human.clearance_l_per_h", 400 / 32.8, 0.005),
    ("drug/venetoclax", "pharmacokinetics.human.central_volume_l", 99, 1e-9),
    ("drug/venetoclax", "pharmacokinetics.human.intercompartmental_l_per_h", 130 / 24, 0.005),
    ("drug/venetoclax", "pharmacokinetics.human.peripheral_volume_l", 147, 1e-9),
    ("drug/venetoclax", "pharmacokinetics.human.absorption_per_h", 3.83 / 24, 0.005),
    ("drug/venetoclax", "pharmacokinetics.human.lag_h", 0.04 * 24, 0.005),
    ("drug/venetoclax", "pharmacokinetics.human.clearance_cv", 0.40, 0.02),
    ("drug/venetoclax", "pharmacokinetics.human.volume_cv", 0.47, 0.02),
    # mouse: 400 mg/kg/d gives twice the human AUC of 32.8 ug.h/mL; half-life ln2 V/CL near 5.7 h
    ("drug/venetoclax", "pharmacokinetics.mouse.clearance_l_per_h", 400 / (2 * 32.8), 0.01),
    ("drug/venetoclax", "pharmacokinetics.mouse.central_volume_l", 5.68 * 6.1 / math.log(2), 0.01),
    ("drug/venetoclax", "molar_mass_g_per_mol", 868.44, 1e-9),
    ("drug/venetoclax", "targets.bh3.ki_bclxl_nm", 48, 1e-9),
    # everolimus: de Wit 2016; AUC 574 ng.h/mL at 10 mg
    ("drug/everolimus", "pharmacokinetics.human.clearance_l_per_h", 10 / 0.574, 0.005),
    ("drug/everolimus", "pharmacokinetics.human.central_volume_l", 25.2, 1e-9),
    ("drug/everolimus", "pharmacokinetics.human.intercompartmental_l_per_h", 51.1, 1e-9),
    ("drug/everolimus", "pharmacokinetics.human.peripheral_volume_l", 400, 1e-9),
    ("drug/everolimus", "pharmacokinetics.human.absorption_per_h", 0.647, 1e-9),
    ("drug/everolimus", "pharmacokinetics.human.clearance_cv", 0.35, 1e-9),
    ("drug/everolimus", "pharmacokinetics.human.volume_cv", 0.86, 1e-9),
    # mouse: AUC 5 ug.h/mL at 5 mg/kg, half-life about 6 h; unbound in blood = 0.22 x 0.27
    ("drug/everolimus", "pharmacokinetics.mouse.clearance_l_per_h", 5 / 5, 1e-9),
    ("drug/everolimus", "pharmacokinetics.mouse.central_volume_l", 6.2 / math.log(2), 0.01),
    ("drug/everolimus", "pharmacokinetics.human.fraction_unbound", 0.22 * 0.27, 0.02),
    ("drug/everolimus", "targets.mtorc1.koff_per_h", math.log(2) / 36, 0.001),
    ("drug/everolimus", "molar_mass_g_per_mol", 958.2, 1e-4),
    ("drug/navitoclax", "molar_mass_g_per_mol", 974.6, 1e-4),
    # inside the cell: half-times 0.3 h (pS6K) and 3 h (BMF), 8 h to CHOP; 3e4 copies in 0.5 pL
    ("cell/default", "mtorc1.relaxation_per_hour", math.log(2) / 0.3, 0.001),
    ("cell/default", "stress.rate_per_hour", 1 / 8, 1e-9),
    ("cell/default", "bmf.rate_per_hour", math.log(2) / 3, 0.001),
    ("cell/default", "amounts.reference_nm", 3e4 / AVOGADRO / 0.5e-12 * 1e9, 0.01),
    # xenografts: doubling 2.5 d; ETP-like = typical x 2.2, x 0.1, x 1.25
    ("leukaemia/bmf_competent", "growth.net_per_day", math.log(2) / 2.5, 0.001),
    ("leukaemia/bmf_null", "growth.net_per_day", math.log(2) / 2.5, 0.001),
    ("leukaemia/etp_like", "growth.net_per_day", math.log(2) / 2.5, 0.001),
    ("leukaemia/bmf_competent", "growth.quiescent_fraction", 1 - 0.6, 1e-9),
    ("leukaemia/etp_like", "traits.bcl2", 3 * 2.2, 1e-9),
    ("leukaemia/etp_like", "traits.bclxl", 1.6 * 0.1, 1e-9),
    ("leukaemia/etp_like", "traits.bim", 1.5 * 1.25, 1e-9),
    # mouse: 1e6 cells i.v.; hCD45 1 % at 5e7 and 25 % at 6e8 cells; life of erythrocytes 54 d, of platelets 4-5 d
    ("host/mouse_nsg", "injected_cells", 1e6, 1e-9),
    ("host/mouse_nsg", "blood_volume_l", 25e-3 * 72e-3, 1e-6),
    ("host/mouse_nsg", "egress_exponent", math.log((25 / 75) / (1 / 99)) / math.log(6e8 / 5e7) - 1, 0.005),
    ("lineage/mouse_erythrocyte", "blood_life_days", 54, 1e-9),
    ("lineage/mouse_erythrocyte", "cells_per_unit", 9e12 / 145, 0.01),
    ("lineage/mouse_platelet", "blood_life_days", 4.5, 1e-9),
    ("lineage/mouse_neutrophil", "blood_life_days", 2.5 / 4, 1e-9),
    # everolimus 4 mg/kg every second day (Silic-Benussi 2022)
    ("regimen/everolimus", "events.0.amount", 4, 1e-9),
    ("regimen/everolimus", "events.0.interval_days", 2, 1e-9),
    ("regimen/combination", "events.1.amount", 4, 1e-9),
    ("regimen/venetoclax", "events.0.amount", 100, 1e-9),
]


@pytest.mark.parametrize(("file", "key", "published", "tolerance"), READINGS, ids=[f"{f}:{k}" for f, k, _, _ in READINGS])
def test_value_agrees_with_an_independent_reading(file: str, key: str, published: float, tolerance: float) -> None:
    value = gather_sources(read(CONF / f"{file}.yaml"))[key]["value"]
    assert value == pytest.approx(published, rel=tolerance)


def test_blood_and_burden_meet_at_half_human_cells() -> None:
    """At the burden of 50 % hCD45 leukaemic cells in blood equal the mouse's own leukocytes."""
    host = read(CONF / "host" / "mouse_nsg.yaml")
    neutrophils = read(CONF / "lineage" / "mouse_neutrophil.yaml")
    own = neutrophils["baseline"] * neutrophils["cells_per_unit"] / neutrophils["white_cell_share"] * host["blood_volume_l"]
    leukaemic = host["burden_at_half_cd45"] * host["egress_at_half_cd45_per_day"] * host["blood_residence_days"]
    assert own == pytest.approx(2.571e6, rel=0.001)
    assert leukaemic == pytest.approx(own, rel=0.002)


@pytest.mark.parametrize(("burden", "percent"), [(5e7, 1.0), (6e8, 25.0)])
def test_human_cd45_passes_through_the_two_known_points(burden: float, percent: float) -> None:
    host = read(CONF / "host" / "mouse_nsg.yaml")
    odds = (burden / host["burden_at_half_cd45"]) ** (1 + host["egress_exponent"])
    assert 100 * odds / (1 + odds) == pytest.approx(percent, rel=0.01)


def test_everolimus_ic50_is_of_the_order_of_2_ng_per_ml_in_blood() -> None:
    everolimus = read(CONF / "drug" / "everolimus.yaml")
    free_nm = 2e-3 / everolimus["molar_mass_g_per_mol"] * 1e6 * everolimus["pharmacokinetics"]["human"]["fraction_unbound"]
    assert 0.5 < everolimus["targets"]["mtorc1"]["ic50_nm"] / free_nm < 2.5


def test_leukaemias_differ_only_where_they_say() -> None:
    competent, null = (read(CONF / "leukaemia" / f"{stem}.yaml") for stem in ("bmf_competent", "bmf_null"))
    assert null["traits"] == {**competent["traits"], "bmf_competence": 0.0}
    assert null["growth"] == competent["growth"]
    assert null["subclones"] == {}


def test_combination_is_the_two_single_regimens() -> None:
    combination, first, second = (read(CONF / "regimen" / f"{stem}.yaml")["events"] for stem in ("combination", "venetoclax", "everolimus"))
    assert combination == first + second
    assert [event["day"] + event["additional"] * event["interval_days"] for event in combination] == [20.0, 20.0]
