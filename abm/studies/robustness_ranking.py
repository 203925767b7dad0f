"""Statistics of the claim-robustness study: shares with intervals, and what a claim rests on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

_LEVEL = 0.95
_LEAST_PER_NUMBER = 2.0


def wilson(successes: int, n: int, level: float = _LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22:209)."""
    z = float(norm.ppf(0.5 + 0.5 * level))
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1.0 + z * z / n)
    half = z / (1.0 + z * z / n) * float(np.sqrt(share * (1.0 - share) / n + z * z / (4 * n * n)))
    return max(0.0, middle - half), min(1.0, middle + half)


def claim_shares(margins: pd.DataFrame) -> pd.DataFrame:
    """Share of draws in which each claim holds: claim, share, low, high, n."""
    n = len(margins)
    rows = []
    for claim in margins:
        holds = int((margins[claim] >= 0.0).sum())
        low, high = wilson(holds, n)
        rows.append({"claim": claim, "share": holds / n, "low": low, "high": high, "n": n})
    return pd.DataFrame(rows)


def rank_regression(inputs: np.ndarray, response: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, str]:
    """(coefficients, standard errors, in-sample R2, method) of the ranks of a response on the ranks of the inputs (draws, numbers).

    With fewer than two draws per number the regression would fit noise; then each number
    stands alone, with its rank correlation, and the R2 is not known.
    """
    draws, numbers = inputs.shape
    x = np.apply_along_axis(_standard_ranks, 0, inputs)
    y = _standard_ranks(response)
    if draws < _LEAST_PER_NUMBER * (numbers + 1):
        rho = x.T @ y / draws
        return rho, np.sqrt(np.maximum(1.0 - rho**2, 0.0) / max(draws - 2, 1)), float("nan"), "rank correlation"
    coefficients, *_ = np.linalg.lstsq(x, y, rcond=None)
    residual = y - x @ coefficients
    variance = float(residual @ residual) / (draws - numbers - 1)
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(x.T @ x)))
    return coefficients, errors, 1.0 - float(residual @ residual) / float(y @ y), "rank regression"


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.asarray(rankdata(values))
    spread = float(ranks.std())
    centred: np.ndarray = ranks - ranks.mean()
    return centred / spread if spread > 0.0 else centred


def ranking(margins: pd.DataFrame, drawn: dict[str, np.ndarray]) -> pd.DataFrame:
    """What each claim rests on: claim, parameter, importance (standardised rank-regression coefficient), se, r2, method; strongest first."""
    names = list(drawn)
    inputs = np.stack([drawn[name] for name in names], axis=1)
    frames = []
    for claim in margins:
        values = margins[claim].to_numpy(float)
        if np.ptp(values) == 0.0:
            continue
        coefficients, errors, r2, method = rank_regression(inputs, values)
        frame = pd.DataFrame({"claim": claim, "parameter": names, "importance": coefficients, "se": errors, "r2": r2, "method": method})
        frames.append(frame.sort_values("importance", key=np.abs, ascending=False, kind="stable"))
    return pd.concat(frames, ignore_index=True)
