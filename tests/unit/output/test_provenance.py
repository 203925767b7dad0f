"""Sources of numbers, what the user changed, and what is recorded of the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from abm.output import provenance
from abm.output.provenance import build_provenance, gather_sources, without_sources
from abm.output.summary import to_json

CONFIG: dict[str, Any] = {
    "seed": 3,
    "figures": True,
    "cell": {
        "mtorc1": {"rate_per_hour": 2.0, "hill": 6},
        "sources": {
            "mtorc1.rate_per_hour": {"ref": "Laukkanen 2022", "kind": "measured"},
            "mtorc1": {"ref": "calibration", "kind": "assumed", "range": [1, 9]},
        },
    },
    "regimens": {
        "a": {
            "events": [{"day": 0.0, "amount": 4.0}, {"day": 1.0, "amount": 5.0}],
            "sources": {"events.0.day": {"ref": "zero", "kind": "setting"}, "events.amount": {"ref": "dose", "kind": "measured"}},
        }
    },
    "trial": {"days": 30.0, "event": 25.0, "sources": {"days": {"ref": "inner", "kind": "assumed"}, "event": {"ref": "inner", "kind": "assumed"}}},
    "sources": {"trial.days": {"ref": "outer", "kind": "measured"}, "seed": {"ref": "any", "kind": "setting"}},
}


def test_every_number_has_the_source_that_is_nearest() -> None:
    found = gather_sources(CONFIG)
    assert {key: source.get("ref") for key, source in found.items()} == {
        "seed": "any",
        "cell.mtorc1.rate_per_hour": "Laukkanen 2022",
        "cell.mtorc1.hill": "calibration",
        "regimens.a.events.0.day": "zero",
        "regimens.a.events.0.amount": "dose",
        "regimens.a.events.1.day": None,
        "regimens.a.events.1.amount": "dose",
        "trial.days": "outer",
        "trial.event": "inner",
    }
    assert found["regimens.a.events.1.day"]["kind"] == "unsourced"
    assert found["cell.mtorc1.hill"] == {"value": 6, "ref": "calibration", "kind": "assumed", "range": [1, 9]}


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("cell.mtorc1.hill=6", {"cell.mtorc1.hill"}),
        ("++cell.mtorc1.hill=6", {"cell.mtorc1.hill"}),
        ("regimens.a.events=[{day: 0, amount: 4}]", {f"regimens.a.events.{i}.{k}" for i in (0, 1) for k in ("day", "amount")}),
        ("+regimens.a={events: []}", {f"regimens.a.events.{i}.{k}" for i in (0, 1) for k in ("day", "amount")}),
        ("cell=default", set()),
        ("experiment=padua", set()),
        ("~arms.everolimus", set()),
        ("hydra.launcher.n_jobs=2", set()),
        ("trial@trial=pdx", set()),
    ],
)
def test_numbers_that_the_user_set_are_overrides(override: str, changed: set[str]) -> None:
    found = gather_sources(CONFIG, [override])
    assert {key for key, source in found.items() if source["kind"] == "override"} == changed


def test_an_override_keeps_what_it_replaces() -> None:
    source = gather_sources(CONFIG, ["trial.days=30"])["trial.days"]
    assert source == {"value": 30.0, "kind": "override", "ref": "set by the user of this run", "replaces": {"ref": "outer", "kind": "measured"}}


def test_a_star_stands_for_any_name() -> None:
    config = {"arms": {"x": {"dose": 1.0}, "y": {"dose": 2.0}}, "sources": {"arms.*.dose": {"ref": "both", "kind": "assumed"}}}
    assert {s["ref"] for s in gather_sources(config).values()} == {"both"}


def test_provenance_has_the_shape_on_record() -> None:
    record = build_provenance(CONFIG, overrides=["seed=3"], device="cpu x 2", wall_seconds={"arms": 3.0})
    assert set(record) == {"schema_version", "software", "parameters", "sources", "environment", "device", "seed", "resources"}
    assert record["software"]["name"] == "abm"
    assert record["seed"] == 3
    assert record["parameters"]["overrides"] == ["seed=3"]
    assert record["parameters"]["config"]["trial"] == {"days": 30.0, "event": 25.0}
    assert "numpy" in record["environment"]["libraries"]
    assert record["resources"]["wall_seconds"] == {"arms": 3.0}
    assert record["resources"]["peak_memory_mib"] > 10
    assert json.loads(to_json(record))["sources"]["seed"]["kind"] == "override"


def test_sources_are_left_out_at_every_depth() -> None:
    assert "sources" not in json.dumps(without_sources(CONFIG))


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "abm" / "output" / "provenance.py"))
    assert provenance.git_commit() is None
    (tmp_path / ".git").mkdir()
    assert provenance.git_commit() is None
    assert "commit" not in build_provenance({})["software"]
