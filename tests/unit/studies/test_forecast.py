"""The forecast of a run against the run itself, and against what must be refused."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import pytest

from abm.config.build import build
from abm.config.compose import compose
from abm.engine.devices import configure_jax
from abm.records import enable_pytrees

configure_jax(None)
enable_pytrees()

import jax  # noqa: E402

from abm.engine.program import start_carry  # noqa: E402
from abm.models.engraftment import engraft  # noqa: E402
from abm.models.observation import observe  # noqa: E402
from abm.models.xenograft import Xenograft  # noqa: E402
from abm.models.xenograft_setup import Rows, build_params, capacity_of, clone_layout, start_rows  # noqa: E402
from abm.parameters.experiment import Experiment  # noqa: E402
from abm.studies.context import Context  # noqa: E402
from abm.studies.dispatch import run_experiment  # noqa: E402
from abm.studies.forecast import forecast_experiment  # noqa: E402
from abm.studies.forecast.course import TwinRun, arm_courses_of, effective_packets, run_twin, sampling_error, starts, step_error  # noqa: E402
from abm.studies.forecast.memory import bytes_of, memory_forecast, sizes  # noqa: E402
from abm.studies.forecast.packets import expected_mutants, packet_forecast  # noqa: E402
from abm.studies.forecast.probe import Probe, probe_experiment  # noqa: E402
from abm.studies.forecast.record import Level, Verdict  # noqa: E402
from abm.studies.forecast.speed import run_time  # noqa: E402
from abm.studies.forecast.steps import step_forecast, window_error  # noqa: E402
from abm.studies.forecast.verdicts import course_verdicts, memory_verdicts, mutant_verdicts, start_verdicts, step_verdicts  # noqa: E402
from abm.studies.grids import trial_grid  # noqa: E402
from abm.subject import cohort_subjects  # noqa: E402
from tests.unit.studies.test_trial import TINY, base  # noqa: E402


@functools.cache
def experiment(*overrides: str) -> Experiment:
    return build(compose([*TINY, *overrides]))


@functools.cache
def twin(*overrides: str) -> tuple[Experiment, TwinRun]:
    e = experiment(*overrides)
    return e, run_twin(e)


def levels(verdicts: list[Verdict]) -> list[Level]:
    return [verdict.level for verdict in verdicts]


def test_burden_and_places_are_those_of_the_run() -> None:
    """One mouse, 48 packets: growth differs between mice by 5 %, which over 17 days is a factor of 1.25."""
    e, run = twin()
    result = base()
    start = starts(e, run)
    (begun,) = start
    leukaemia = result.series["count"].sel(population="leukaemia").values[:, 0]
    day = result.events[result.events.kind == "randomised"].value.iloc[0]
    assert abs(begun.day - day) < 2.0
    assert begun.early_day < begun.day < begun.late_day
    assert begun.burden == pytest.approx(leukaemia[0, 0], rel=0.25)
    for course, measured in zip(arm_courses_of(e, run, start), leukaemia, strict=True):
        assert course.peak == pytest.approx(measured.max(), rel=0.3), course.arm
    packets = packet_forecast(e)
    assert packets.capacity == int(result.engine["capacity"])
    assert packets.rows == result.engine["packets_peak"].size
    assert (result.engine["packets_peak"].values <= packets.resolution).all()
    # Shares are whole packets: each clone may lose less than one.
    assert packets.resolution - 2 < sum(packets.shares["bmf_competent"].values()) <= packets.resolution


def test_mutations_are_those_of_the_divisions_of_the_run() -> None:
    """Deterministic: u x divisions; the run's own divisions are counted in `births`."""
    e, run = twin("cohort.resistance=[mcl1_up]", "mechanisms.mcl1_up.mutation_per_division=1e-4")
    (mutants,) = expected_mutants(e, run)
    births = base().series["births"].sel(population="leukaemia").values[:, 0]
    days = base().series["time"].values
    treated = int(np.argmin(np.abs(days - e.trial.treatment_days)))
    burden = base().series["count"].sel(population="leukaemia", time=0).values[0, 0]
    begun = starts(e, run)[0].burden
    for arm, counted in zip(run.arms, births[:, treated], strict=True):
        # Per cell at randomisation, because this mouse is not the typical one; nor is its exposure.
        assert mutants.during[arm] / begun == pytest.approx(1e-4 * counted / burden, rel=0.2), arm
    # Before randomisation the burden grows by net growth, and each cell gained costs b / (b - d) divisions of cycling cells.
    growth = e.leukaemias["bmf_competent"].growth
    ratio = (growth.net_per_day + growth.death_per_day) / growth.net_per_day
    assert mutants.before == pytest.approx(1e-4 * ratio * (begun - starts(e, run)[0].seeded), rel=0.05)
    assert mutants.chance_before == pytest.approx(1.0 - math.exp(-mutants.before), rel=1e-9)


@pytest.mark.usefixtures("optimised")
def test_expected_mutants_of_a_theory_experiment_are_those_of_its_run() -> None:
    cfg = compose(["experiment=theory/resistance", "theory.replicates=2000", "progress=false"])
    e = build(cfg)
    (mutants,) = forecast_experiment(e).mutants
    gained = run_experiment(e, Context()).series["gained"].sel(population="resistant").values[0, :, -1]
    error = gained.std() / math.sqrt(len(gained))
    assert abs(gained.mean() - mutants.during["theory"]) < 5.0 * error
    assert error < 0.1 * mutants.during["theory"]


def test_bytes_of_the_state_are_those_that_are_made() -> None:
    e = experiment("engine.packets=96", "cohort.resistance=[mcl1_up]", "cohort.leukaemias=[bmf_null,bmf_competent]", "cohort.subjects=2")
    layout, n = clone_layout(e), 4 * len(e.arms)
    subjects = cohort_subjects(e.seed, tuple(e.cohort.leukaemias), 2)
    keys, names = np.tile(subjects.keys, (len(e.arms), 1)), subjects.leukaemias * len(e.arms)
    params = build_params(e, Rows(keys, names, np.repeat(np.arange(len(e.arms), dtype=np.int32), 4)), layout.founders, trial_grid(e).times)
    packets, seeded = engraft(e, subjects, layout.founders, capacity_of(e))
    packets = jax.tree.map(lambda x: np.tile(np.asarray(x), (len(e.arms), 1)), packets)
    model = Xenograft(n_clones=layout.n_clones, layout=layout)
    carry = jax.eval_shape(lambda p: start_carry(model, p, start_rows(params, e, np.tile(seeded, len(e.arms)))), packets)
    size = sizes(e)
    assert (size.per_packet * capacity_of(e) + size.per_row) * n == bytes_of(carry)
    assert size.per_look * n == bytes_of(jax.eval_shape(observe, params, carry))
    assert size.numbers * n + size.shared == bytes_of(params)
    assert memory_forecast(e, packet_forecast(e), 20.0).state == bytes_of(carry) + bytes_of(params)


def test_an_impossible_demand_of_memory_is_refused() -> None:
    e = experiment("engine.packets=1000000", "cohort.subjects=100000")
    packets = packet_forecast(e)
    memory = memory_forecast(e, packets, 30.0)
    (verdict,) = memory_verdicts(e, memory, packets)
    assert verdict.level == "refused"
    key, value = verdict.advice.split("=")
    smaller = experiment("cohort.subjects=100000" if key == "engine.packets" else "engine.packets=1000000", verdict.advice)
    assert memory_forecast(smaller, packet_forecast(smaller), 30.0).peak < memory.peak
    assert int(value) >= 1
    assert not list(memory_verdicts(experiment(), memory_forecast(experiment(), packet_forecast(experiment()), 30.0), packets))


def test_windows_beyond_the_sampler_are_refused_and_near_it_warned_of() -> None:
    e, run = twin()
    start = starts(e, run)
    courses = arm_courses_of(e, run, start)

    def verdicts(hours: float) -> list[Verdict]:
        engine = dataclasses.replace(e.engine, window_hours=hours, packing_hours=144.0)
        other = dataclasses.replace(e, engine=engine, readout=dataclasses.replace(e.readout, interval_hours=144.0))
        return list(step_verdicts(other, step_forecast(other, run, start, courses)))

    assert verdicts(12.0) == []
    assert levels(verdicts(48.0))[0] == "warning"
    refused = verdicts(72.0)
    assert refused[0].level == "refused"
    assert refused[0].advice == "engine.window_hours=24"
    twice = [window_error(e, e.leukaemias["bmf_competent"], start[0], h) for h in (6.0, 12.0)]
    assert twice[1] == pytest.approx(4.0 * twice[0], rel=0.1)


def test_a_step_above_the_fast_rates_is_warned_of() -> None:
    """Stress and BMF that turn over within minutes, at steps of an hour: the burden under the combination is visibly off."""
    e, run = twin("engine.dt_hours=6", "engine.window_hours=12", "cell.stress.rate_per_hour=4", "cell.bmf.rate_per_hour=8", "cell.apoptosis.max_per_day=12")
    start = starts(e, run)
    step = step_forecast(e, run, start, arm_courses_of(e, run, start))
    assert step.used_hours == 1.0
    products = {hazard.name: hazard.product for hazard in step.hazards}
    assert products["stress response"] == pytest.approx(4.0)
    assert products["apoptosis"] > 0.1
    (verdict,) = [v for v in step_verdicts(e, step) if "steps of" in v.text]
    assert verdict.level == "warning"
    assert float(verdict.advice.removeprefix("engine.dt_hours=")) < 1.0


def test_the_error_of_the_step_is_that_of_a_second_order_scheme() -> None:
    """Against the exact solution: exp(t) approximated with an error of 0.03 h^2 t in the exponent."""
    fine, coarse = np.arange(1, 21) * 0.5, np.arange(1, 11) * 1.0
    grown = [100.0 * np.exp(t * (1.0 + 0.03 * h**2))[:, None] for t, h in ((coarse, 1.0), (fine, 0.5))]
    assert step_error(*grown)[0] == pytest.approx(0.03 * 10.0 / math.log(10.0), rel=1e-9)


def test_a_leukaemia_that_never_qualifies_is_warned_of() -> None:
    e, run = twin("trial.lead_in_max_days=5")
    (start,) = starts(e, run)
    assert math.isnan(start.day)
    assert levels(list(start_verdicts(e, (start,)))) == ["warning"]


def test_effective_packets_and_sampling_error_are_those_of_weights() -> None:
    """Cells that survive with weights w: Kish's (sum w)^2 / sum w^2, and the CV of their sum over independent samples."""
    generator = np.random.default_rng(3)
    weights = np.exp(generator.normal(0.0, 1.0, 4096))
    unevenness = np.array([len(weights) * np.sum(weights**2) / np.sum(weights) ** 2])
    assert effective_packets(np.array([5e6]), unevenness, np.array([4096.0])) == pytest.approx(np.sum(weights) ** 2 / np.sum(weights**2))
    samples = generator.choice(weights, (4000, 256)).sum(axis=1)
    expected = sampling_error(np.array([5e6]), unevenness, np.array([256.0]))
    assert np.std(samples) / np.mean(samples) / math.log(10.0) == pytest.approx(expected, rel=0.05)


def test_deep_kills_on_few_packets_and_mechanisms_that_never_arise_are_warned_of() -> None:
    e, run = twin()
    (course, *_) = arm_courses_of(e, run, starts(e, run))
    assert levels(list(course_verdicts(e, (dataclasses.replace(course, sampling_log10=0.5),)))) == ["warning"]
    assert levels(list(course_verdicts(e, (dataclasses.replace(course, peak=1e17, sampling_log10=0.0),)))) == ["refused"]
    rare, same = twin("cohort.resistance=[mcl1_up]", "mechanisms.mcl1_up.mutation_per_division=1e-12")
    assert levels(list(mutant_verdicts(rare, expected_mutants(rare, same)))) == ["warning"]


def test_time_grows_with_the_work() -> None:
    small, large = experiment(), experiment("cohort.subjects=20000")
    probe = Probe((0.01, 0.012, 0.02), probe_experiment(small, 8, 512), 512, "cpu x 1")
    one, many = (run_time(e, packet_forecast(e), 20.0, probe) for e in (small, large))
    assert many.trial_steps == 20000 * one.trial_steps == 20000 * 4 * 48 * 24 * 4
    assert one.low_seconds < one.high_seconds < many.low_seconds < many.high_seconds
