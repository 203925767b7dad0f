"""What the step, the window and the calendar of packings cost in the full mechanism."""

from __future__ import annotations

import numpy as np

from abm.verification.findings import Finding, Outcome, Panel, SlopePanel
from abm.verification.registry import case
from abm.verification.runner import Runner
from abm.verification.step_study import ARMS, LEUKAEMIAS, Courses, Numerics, order_of, relative_error, run_study, study_experiment
from abm.verification.tests_of_chance import check_error, check_student

# What the program promises at its defaults.
LARGEST_ERROR = 0.01
# Where the defaults are known to miss that, by (leukaemia, treatment) or treatment: the bound that holds there
# (guide `accuracy`, sections 3 and 4), so that it cannot grow unseen.
STEP_MISSES = {("etp_like", "combination"): 0.03}
WINDOW_MISSES = {(leukaemia, "pulses"): 0.04 for leukaemia in LEUKAEMIAS}
DAYS = (1.0, 2.0, 7.0)
COUNTED = ("leukaemia", "mouse_neutrophil", "mouse_platelet", "mouse_erythrocyte")
SOURCE = "the same program at the finest setting: convergence, not an exact law; abm/guides/accuracy.md"


def _course(numerics: Numerics) -> Courses:
    return run_study(study_experiment(numerics), numerics, DAYS)


def _largest(courses: dict[float, Courses], reference: Courses, arm: int, subject: int, name: str) -> np.ndarray:
    """Largest error over the days, by setting."""
    return np.array([np.abs(relative_error(c, reference, name)[arm, subject]).max() for c in courses.values()])


def _convergence(
    courses: dict[float, Courses], reference: Courses, default: float, what: str, misses: dict[tuple[str, str], float]
) -> tuple[list[Finding], list[Panel]]:
    """Every count of every row at the default within LARGEST_ERROR, or its known miss, of the reference, and the curves of the leukaemia."""
    findings: list[Finding] = []
    panels: list[Panel] = []
    settings = np.array(list(courses))
    for s, leukaemia in enumerate(LEUKAEMIAS):
        for a, arm in enumerate(ARMS):
            for name in COUNTED:
                errors = relative_error(courses[default], reference, name)[a, s]
                worst = int(np.argmax(np.abs(errors)))
                label = f"{name}, {leukaemia}, {arm}, day {DAYS[worst]:g}: {what} {default:g} h over the finest"
                bound = misses.get((leukaemia, arm), LARGEST_ERROR)
                label += f" (known miss, bound {100.0 * bound:g} %)" if bound > LARGEST_ERROR else ""
                findings.append(check_error(label, 1.0, 1.0 + float(errors[worst]), absolute=bound))
        for arm in ("combination", "pulses"):
            largest = _largest(courses, reference, ARMS.index(arm), s, "leukaemia")
            panels.append(SlopePanel(f"{leukaemia}, {arm}", settings, largest, 2.0, f"{what}, h", "largest relative error"))
    return findings, panels


def _orders(courses: dict[float, Courses], names: tuple[float, float, float]) -> str:
    """Measured orders of the leukaemia on the last day."""
    told = []
    for s, leukaemia in enumerate(LEUKAEMIAS):
        for arm in ("everolimus", "combination", "held", "pulses"):
            a = ARMS.index(arm)
            values = [courses[x].cells["leukaemia"][a, s, -1] for x in names]
            told.append(f"{leukaemia} {arm} {float(order_of(*(np.asarray(v) for v in values))):.2f}")
    return "Order in the leukaemia on day 7, from " + ", ".join(f"{x:g}" for x in names) + " h: " + "; ".join(told) + "."


@case(
    "step_size",
    shows="two leukaemias and healthy blood under seven treatments, 1e12 cells so that chance is out of sight: counts against the step",
    source=SOURCE,
    reading="Right: errors fall as the square of the step, to below 1 % at the default of 1 h but for the known miss. Wrong: a slope of one, or more than 1 %.",
)
def step_size(runner: Runner) -> Outcome:
    """Steps of 2, 1 and 0.5 h (with 4 and 0.25 h in full) against 0.125 h."""
    steps = (2.0, 1.0, 0.5) if runner.quick else (4.0, 2.0, 1.0, 0.5, 0.25)
    courses = {dt: _course(Numerics(dt=dt)) for dt in steps}
    reference = _course(Numerics(dt=0.125))
    findings, panels = _convergence(courses, reference, 1.0, "step", STEP_MISSES)
    shift = max(abs(f.simulated - 1.0) for f in findings if f.quantity.startswith("leukaemia"))
    remark = _orders(courses, (2.0, 1.0, 0.5) if runner.quick else (1.0, 0.5, 0.25))
    remark += f" A probability of extinction exp(-mean) moves by at most exp(-1) = 0.37 of the relative error of the mean: {0.368 * shift:.4f} here."
    return Outcome(findings, panels, remark)


@case(
    "window_size",
    shows="the same against the window after which cells move between cycling, quiescent and blood",
    source=SOURCE,
    reading="Right: errors fall as the square of the window, to below 1 % at the default of 12 h but for the known miss. Wrong: a slope of one, or more.",
)
def window_size(runner: Runner) -> Outcome:
    """Windows of 24, 12 and 6 h against 2 h, at a step of 1 h."""
    courses = {window: _course(Numerics(window=window)) for window in (24.0, 12.0, 6.0)}
    reference = _course(Numerics(window=2.0))
    findings, panels = _convergence(courses, reference, 12.0, "window", WINDOW_MISSES)
    return Outcome(findings, panels, _orders(courses, (24.0, 12.0, 6.0)))


@case(
    "packing_calendar",
    shows="the mean burden of subjects whose packets redraw traits, merge and split every 24 h or every 6 h",
    source=SOURCE,
    reading="Right: the difference lies within 1 % beyond chance. Wrong: heritable change that comes late moves the mean.",
)
def packing_calendar(runner: Runner) -> Outcome:
    """Packings every 24 h against every 6 h, twins; chance is that of redraws and merges in 256 packets."""
    subjects, arms = runner.size(12, 48), ("vehicle", "combination")
    ends = {}
    for packing in (24.0, 6.0):
        numerics = Numerics(packing=packing, packets=256)
        ends[packing] = run_study(study_experiment(numerics, subjects, arms), numerics, (7.0,)).cells["leukaemia"][:, :, -1]
    findings = []
    for s, leukaemia in enumerate(LEUKAEMIAS):
        here = slice(s * subjects, (s + 1) * subjects)
        for a, arm in enumerate(arms):
            ratio = ends[24.0][a, here] / ends[6.0][a, here].mean()
            findings.append(check_student(f"burden of {leukaemia}, {arm}, day 7: packing 24 h over 6 h", ratio, 1.0, allowed=LARGEST_ERROR))
    return Outcome(findings)
