"""Keys of the claim-robustness experiment: how numbers are drawn, and when a claim holds."""

from __future__ import annotations

from abm.records import count, listing, part, quantity, record, text


@record
class Tie:
    """Numbers that are one assumption: `key` lies at the same place of its range as `follows` of its own.

    Both may name one number or a branch of the configuration.
    """

    key: str = text("Number or branch that follows.")
    follows: str = text("Number or branch that it follows.")


@record
class Multiple:
    """A number that is drawn as a multiple of another one."""

    key: str = text("The number.")
    of: str = text("The number that it is a multiple of.")
    low: float = quantity("1", "Smallest multiple.", above=0.0)
    high: float = quantity("1", "Largest multiple.", above=0.0)


@record
class Thresholds:
    """When a claim holds."""

    survival_ratio_max: float = quantity("1", "Venetoclax alone is weak: largest ratio of the times to event over the vehicle's.", above=1.0)
    everolimus_death_max: float = quantity("1", "Everolimus alone is cytostatic: largest excess fraction of dead cells in the dish.", low=0.0, high=1.0)
    everolimus_slowing_min: float = quantity("1", "Everolimus alone is cytostatic: smallest share of the dish's division that it stops.", low=0.0, high=1.0)
    cd45_ratio_max: float = quantity("1", "The combination is deep: largest ratio of its hCD45 to the vehicle's, end of treatment.", above=0.0, high=1.0)
    beyond_single_log10: float = quantity("1", "The combination is deep: log10 by which it beats the better single drug.", low=0.0)
    beyond_bliss_log10: float = quantity("1", "Beyond Bliss: log10 by which the combination is below the expectation.", low=0.0)
    bmf_null_lost: float = quantity("1", "BMF-null: share of the extra kill over everolimus that is lost.", low=0.0, high=1.0)
    isr_off_lost: float = quantity("1", "ISR off: share of the extra kill over everolimus that is lost.", low=0.0, high=1.0)
    etp_log10: float = quantity("1", "ETP-like: log10 below the vehicle under venetoclax alone, day 14.", low=0.0)
    healthy_nadir_min: float = quantity("1", "Healthy: smallest nadir over the count at rest under the combination.", low=0.0, high=1.0)


@record
class Robustness:
    """One study of how far the claims hold."""

    draws: int = count("Draws of the uncertain numbers.", low=8, high=65536)
    range_fraction: float = quantity(
        "1",
        "Share of each range that is used: 1 = all of it, 0.5 = the half about the default (on a log scale where the range is above 0).",
        above=0.0,
        high=1.0,
    )
    levels: int = count("Levels of the heritable BMF competence.", low=1, high=256)
    cells: int = count("Points of the other traits per level.", low=2, high=4096)
    dt_hours: float = quantity("h", "Step of the mean-field model.", above=0.0, high=6.0)
    dish_everolimus_nm: float = quantity("nmol/L", "Free everolimus in the dish.", low=0.0)
    dish_hours: float = quantity("h", "Time in the dish.", above=0.0)
    recovery_days: float = quantity("d", "Days after treatment over which healthy blood is followed.", low=0.0)
    confirm_draws: int = count("Draws that are repeated with packets; 0 = none.", low=0, high=256)
    confirm_packets: int = count("Packets of a repeated draw.", low=8, high=1_000_000)
    vehicle: str = text("Arm without a drug.")
    venetoclax: str = text("Arm of venetoclax alone.")
    everolimus: str = text("Arm of everolimus alone.")
    combination: str = text("Arm of both.")
    typical: str = text("Typical BMF-competent leukaemia.")
    bmf_null: str = text("The same without BMF.")
    etp_like: str = text("Leukaemia that depends on BCL-2.")
    lineages: list[str] = listing("Healthy lineages that must be spared.")
    held: list[str] = listing("Patterns of keys whose numbers are not drawn.")
    thresholds: Thresholds = part("When a claim holds.")
    ties: list[Tie] = listing("Numbers that are one assumption.")
    multiples: list[Multiple] = listing("Numbers that are drawn as a multiple of another one.")
