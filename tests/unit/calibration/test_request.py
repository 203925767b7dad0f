"""What can be fitted, with which errors, and how a wrong request is refused."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from abm.calibration.__main__ import main
from abm.calibration.errors import REPLICATES, error_laws, target_residual
from abm.calibration.free_numbers import has_key, read_free
from abm.calibration.request import known_numbers
from abm.config.build import plain
from abm.config.compose import compose
from abm.errors import EXIT_COMPLETE, EXIT_REFUSED, InputError
from abm.output.provenance import Source
from abm.parameters.measured import VARIABLES, Measurement
from abm.targets.published import read_published
from tests.small_trial import shipped

NET = "leukaemias.bmf_competent.growth.net_per_day"


@pytest.fixture(scope="module")
def known() -> dict[str, Source]:
    return known_numbers(plain(compose([])), [])


def test_a_free_number_has_the_range_and_the_unit_of_its_source(known: dict[str, Source]) -> None:
    (number,) = read_free([NET], known)
    assert (number.value, number.low, number.high, number.unit) == (0.277, 0.139, 0.462, "1/d")
    assert number.at(number.place(0.2)) == pytest.approx(0.2)
    assert [number.at(0.0), number.at(1.0)] == pytest.approx([0.139, 0.462])


def test_a_pattern_shares_one_number_and_a_range_can_be_given(known: dict[str, Source]) -> None:
    (number,) = read_free(["leukaemias.bmf_*.growth.net_per_day=0.2:0.3"], known)
    assert number.keys == (NET, "leukaemias.bmf_null.growth.net_per_day")
    assert (number.low, number.high) == (0.2, 0.3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leukaemias.bmf_competent.growth.net_per_dya", f"'{NET}'"),
        ("leukaemias.*.growth.net_per_day", "differ"),
        (f"{NET}=0.3:0.2", "below the upper"),
        (f"{NET}=0.3", "range is needed"),
        (f"{NET}=0.3:0.4", "outside the range"),
        ("leukaemias.bmf_competent.growth.quiescent_fraction=0.1:7", "beyond what"),
    ],
)
def test_a_wrong_free_number_is_refused(known: dict[str, Source], text: str, said: str) -> None:
    with pytest.raises(InputError, match="--free") as error:
        read_free([text], known)
    assert said in str(error.value)


def test_every_number_that_can_be_fitted_is_a_key_of_the_records(known: dict[str, Source]) -> None:
    experiment = shipped("experiment=pdx_trial")
    used = [key for key in known if key.startswith(("cell.", "host.", "leukaemias.bmf_competent.", "drugs.venetoclax."))]
    assert len(used) > 50
    assert all(has_key(experiment, key) for key in used)
    assert not has_key(experiment, "leukaemias.patient_typical.growth.net_per_day")


def values(sd: float, number: int) -> list[Measurement]:
    half = np.exp(np.array([-sd, sd]) / math.sqrt(2.0))  # two replicates of exactly this sd
    return [Measurement(arm="a", leukaemia="x", day=float(d), variable="platelets", value=500.0 * f) for d in range(number) for f in half]


def test_replicates_show_their_own_errors_where_there_are_enough() -> None:
    assert error_laws(values(0.37, REPLICATES), {})["platelets"].sd == pytest.approx(0.37)
    few = error_laws(values(0.37, REPLICATES - 1), {})["platelets"]
    assert (few.sd, few.origin) == (0.2, "assumed")
    assert error_laws(values(0.37, REPLICATES), {"platelets": 0.5})["platelets"].sd == 0.5


def test_every_variable_has_a_law_of_errors() -> None:
    some = [Measurement(arm="a", leukaemia="x", day=0.0, variable=name, value=0.5) for name in VARIABLES]
    laws = error_laws(some, {})
    assert set(laws) == set(VARIABLES)
    assert all(np.isfinite(law.transformed(np.array([0.0, 0.5, 1.0]))).all() for law in laws.values())


def test_a_target_counts_in_sds_of_its_band() -> None:
    published = read_published()
    survival, ratio = published["everolimus_survival"], published["cd45_ratio"]
    assert target_residual(survival, 1.99) == 0.0
    assert target_residual(survival, 1.99 + 0.25 * (2.5 - 1.6)) == pytest.approx(1.0)
    assert target_residual(ratio, 0.05) == 0.0  # a band only
    assert target_residual(ratio, 0.10 + 0.025) == pytest.approx(1.0)
    opened = dataclasses.replace(published["etp_log14"])
    assert target_residual(opened, 0.9) == pytest.approx(-1.0)
    assert target_residual(opened, math.nan) > 5.0


def test_the_list_names_numbers_and_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == EXIT_COMPLETE
    said = capsys.readouterr().out
    assert NET in said
    assert "ic50_etp" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--free", "cell.apoptosis.half_activator", "--targets", "V11"], "'cell.apoptosis.half_activator_nm'"),
        (["--free", NET, "--targets", "ic50_ept"], "'ic50_etp'"),
        (["--free", NET], "--data, --targets"),
        (["--targets", "V11"], "--free"),
        (["--free", f"{NET},cell.apoptosis.half_activator_nm", "--targets", "V11"], "2 numbers cannot be fitted to 1 value;"),
        (["--free", NET, "--data", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_computed(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([*arguments, "--out", str(tmp_path / "out")]) == EXIT_REFUSED
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
