"""Regimens that do not fit are refused in words; the examples of the guide fit."""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import abm
from abm.config.build import build, plain
from abm.config.compose import compose
from abm.config.regimen_checks import is_visit, readouts
from abm.errors import InputError
from abm.parameters.clinic import Assay
from abm.parameters.regimen import AMOUNT_UNITS, DoseEvent, DosingRule, EventFile, Regimen, Transfusion

GUIDE = (Path(abm.__file__).parent / "guides" / "regimens.md").read_text(encoding="utf-8")
EVENT: dict[str, Any] = {"drug": "venetoclax", "day": 0.0, "amount": 1.0, "amount_unit": "mg"}
LOW: dict[str, Any] = {"readout": "neutrophils", "below": 0.5}


@functools.cache
def tree() -> dict[str, Any]:
    return plain(compose(["arms=none"]))


def built(regimen: dict[str, Any], **host: float) -> Regimen:
    """A regimen in an experiment whose only arm it is; composed once, because that is what takes time."""
    base = tree()
    host_of = {**base["host"], **host}
    return build({**base, "host": host_of, "regimens": {"r": {"label": "R"} | regimen}, "arms": {"r": {"regimen": "r"}}}).regimens["r"]


def ruled(**rule: Any) -> dict[str, Any]:
    return {"events": [EVENT], "visit_days": [1.0], "rules": {"x": {"when": LOW, "then": "hold"} | rule}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"events": [EVENT | {"amount_unit": "mg_per_m2"}]}, "the host has no body surface; set host.body_surface_m2"),
    ({"events": [EVENT | {"cycles": 2}]}, "cycle_days, the length of a cycle, is missing"),
    ({"events": [EVENT | {"cycles": 2, "cycle_days": 3.0, "additional": 3}]}, "a cycle must be longer"),
    ({"events": [EVENT | {"ramp_interval_days": 7.0}]}, "there are no ramp_factors"),
    ({"events": [EVENT | {"ramp_factors": [-0.5]}]}, "factors of at least 0"),
    ({"events": [EVENT | {"steady_state": True, "ramp_factors": [0.5]}]}, "the first dose must be a full one"),
    ({"events": [EVENT | {"steady_state": True, "skip_days": [0]}]}, "the first dose must be a full one"),
    ({"events": [EVENT | {"steady_state": True, "duration_h": 25.0}]}, "an infusion must end before the next one"),
    ({"events": [EVENT | {"tracks": ["high"]}], "tracks": ["hihg"]}, "unknown track 'high'. Did you mean 'hihg'?"),
    ({"events": [EVENT], "tracks": ["a", "a"]}, "'a' is listed twice"),
    (ruled() | {"visit_days": []}, "are evaluated at visits, and there are none"),
    (ruled() | {"visit_days": [1.3]}, "must be a multiple of 0.5 d, the window"),
    (ruled(delay_days=0.2), "rules.x.delay_days = 0.2: must be a multiple"),
    (ruled(when={"readout": "neutrophil", "below": 1.0}), "unknown readout of the host (mouse) 'neutrophil'. Did you mean 'neutrophils'?"),
    (ruled(when={"readout": "neutrophils"}), "a bound is needed, above or below"),
    (ruled(when={"readout": "neutrophils", "above": 2.0, "below": 1.0}), "must be less than below = 1"),
    (ruled(when={"readout": "concentration", "above": 2.0}), "rules.x.when.drug: unknown drug of the regimen 'null'"),
    (ruled(when=LOW | {"drug": "venetoclax"}), "only the readout 'concentration' belongs to a drug"),
    (ruled(until={"readout": "nothing", "above": 1.0}), "rules.x.until.readout: unknown readout"),
    (ruled(drugs=["everolimus"]), "unknown drug of the regimen 'everolimus'"),
    (ruled(on_days=[2.0]), "there is no visit on day 2"),
    (ruled(then="reduce"), "reduce_factor: is missing"),
    (ruled(reduce_factor=0.5), "only 'then: reduce' reads it"),
    (ruled(then="switch"), "rules.x.track: is missing"),
    (ruled(then="switch", track="high"), "unknown track 'high'"),
    (ruled(track="high"), "only 'then: switch' reads it"),
    (ruled(then="stop", until={"readout": "neutrophils", "above": 1.0}), "rules.x.until: only 'then: hold' reads it"),
    (ruled(then="stop", resume_factor=0.5), "only 'then: hold' and 'then: resume' read it"),
    (ruled() | {"assays": {"neutrophil": {"cv": 0.1}}}, "unknown readout 'neutrophil'"),
    (ruled() | {"assays": {"neutrophils": {"cells_assayed": 100.0}}}, "cells are counted only for a share"),
    (ruled(then="transfuse", product="platelets"), "'then: transfuse' needs product and units"),
    (ruled(then="transfuse", product="platelet", units=1.0), "unknown blood product 'platelet'"),
    (ruled(then="transfuse", product="platelets", units=1.0, drugs=["venetoclax"]), "a blood product is given, no drug"),
    (ruled(units=1.0), "only 'then: transfuse' reads product and units"),
    ({"transfusions": [{"product": "platelets", "day": 1.3, "units": 1.0}]}, "must be a multiple of 0.5 d, the window"),
    ({"transfusions": [{"product": "platelets", "day": 1e4, "units": 1.0}]}, "is after the last day"),
]


def test_products_and_growth_factors_must_fit_the_host() -> None:
    """Two products of one lineage cannot be told apart; a growth factor needs its count."""
    base = tree()
    names = ("platelets", "pooled", "red_cells", "stem_cell_graft", "lasting")
    given = {"label": "R", "transfusions": [{"product": name, "day": 0.0, "units": 1.0} for name in names]}
    products = {**base["products"], "pooled": base["products"]["platelets"]}
    products["red_cells"] = products["red_cells"] | {"population": "erythrocytes"}
    products["lasting"] = products["platelets"] | {"life_days": None, "progenitors_per_unit": 5.0}
    products["stem_cell_graft"] = products["stem_cell_graft"] | {"life_days": 3.0}
    kinetics = {"mouse": base["drugs"]["filgrastim"]["pharmacokinetics"]["human"]}
    growth = {**base["drugs"]["filgrastim"]["targets"], "growth": base["drugs"]["filgrastim"]["targets"]["growth"] | {"readout": "neutrophil"}}
    drugs = {**base["drugs"], "filgrastim": base["drugs"]["filgrastim"] | {"pharmacokinetics": kinetics, "targets": growth}}
    regimen = given | {"events": [EVENT | {"drug": "filgrastim"}]}
    with pytest.raises(InputError) as refusal:
        build({**base, "products": products, "drugs": drugs, "regimens": {"r": regimen}, "arms": {"r": {"regimen": "r"}}})
    for expected in (
        "products.pooled: adds to platelets, as 'platelets' does",
        "blood cells of the host (mouse) 'erythrocytes'",
        "the host has no count 'neutrophil'",
        "products.stem_cell_graft: is a graft, and stem cells of this host (mouse) are not followed; set stem_cells.NAME.followed=true",
        "products.stem_cell_graft.life_days = 3: a graft lives as the host's own cells",
        "products.lasting.life_days: is missing; how long do platelets of a donor live in the blood?",
        "products.lasting.progenitors_per_unit = 5: only a graft",
    ):
        assert expected in str(refusal.value)


@pytest.mark.parametrize(("regimen", "expected"), REFUSED, ids=[expected for _, expected in REFUSED])
def test_what_does_not_fit_is_refused(regimen: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as refusal:
        built(regimen)
    assert expected in str(refusal.value)


def test_amounts_per_square_metre_are_accepted_where_the_host_has_a_surface() -> None:
    assert built({"events": [EVENT | {"amount_unit": "mg_per_m2"}]}, body_surface_m2=0.01).events[0].amount == 1.0


def test_examples_of_the_guide_are_accepted() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        assert built(yaml.safe_load(example)).label


def test_the_guide_names_every_key() -> None:
    records = (DoseEvent, EventFile, Transfusion, Assay, DosingRule, Regimen)
    names = {field.name for record in records for field in dataclasses.fields(record)} - {"path", "label"}
    for name in names | set(AMOUNT_UNITS):
        assert name in GUIDE, name


def test_rules_can_ask_for_leukocytes_where_more_than_one_kind_is_followed() -> None:
    assert "leukocytes" in readouts(build(compose(["experiment=relapsed_combination"])))
    assert "leukocytes" not in readouts(build({**tree(), "arms": {"a": {"regimen": "vehicle"}}}))


def test_days_of_visits() -> None:
    regimen = Regimen(label="", visit_days=[2.5], visit_start_day=1.0, visit_interval_days=3.0)
    assert [day for day in (0.0, 1.0, 2.0, 2.5, 4.0, -2.0, 7.0) if is_visit(regimen, day)] == [1.0, 2.5, 4.0, 7.0]
