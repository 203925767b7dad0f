"""One experiment: everything that a run is made from, validated."""

from __future__ import annotations

from typing import Any

from abm.parameters.blood_product import BloodProduct
from abm.parameters.cell import Cell
from abm.parameters.clinic import Assay, Clinic
from abm.parameters.drug import Drug
from abm.parameters.host import Host
from abm.parameters.leukaemia import Leukaemia
from abm.parameters.lineage import Lineage
from abm.parameters.measured import Measurement
from abm.parameters.mechanism import Mechanism
from abm.parameters.regimen import Arm, Regimen
from abm.parameters.settings import Cohort, EngineSettings, Readout, Trial
from abm.parameters.stem_cell import StemCells
from abm.parameters.toxicity import Toxicity
from abm.records import choice, count, flag, listing, named_parts, part, record, text


@record
class Experiment:
    """The resolved configuration of one run as records."""

    task: str = choice("What is run.", ("trial", "theory", "claim_robustness", "dose_matrix"))
    experiment_name: str = text("Name of the experiment; names the output folder.")
    seed: int = count("Seed of all random streams.", low=0, high=2**63 - 1)
    out: str | None = text("Output folder; null = outputs/<experiment>/<date-time>.")
    resume: bool = flag("Continue from the checkpoint in `out`, or keep the finished result there.")
    overwrite: bool = flag("Replace the result in `out`.")
    check: bool = flag("Print the forecast of the run; run nothing and write nothing.", default=False)
    figures: bool = flag("Draw figures.")
    progress: bool = flag("Show a progress bar.")
    engine: EngineSettings = part("Numerical settings.")
    host: Host = part("Host.")
    cell: Cell = part("Machinery inside a cell.")
    cohort: Cohort = part("Cohort.")
    trial: Trial = part("Course of the trial.")
    readout: Readout = part("What is recorded.")
    clinic: Clinic = part("How patients are judged.")
    toxicity: Toxicity | None = part("Criteria of low blood counts; null = no grades.", default=None)
    leukaemias: dict[str, Leukaemia] = named_parts("Leukaemias by name.")
    mechanisms: dict[str, Mechanism] = named_parts("Mechanisms of resistance by name.")
    lineages: dict[str, Lineage] = named_parts("Healthy lineages by name.")
    assays: dict[str, Assay] = named_parts("Assays of residual disease by name.")
    stem_cells: dict[str, StemCells] = named_parts("Haematopoietic stem cells by name.", default={})
    products: dict[str, BloodProduct] = named_parts("Blood products by name.", default={})
    drugs: dict[str, Drug] = named_parts("Drugs by name.")
    regimens: dict[str, Regimen] = named_parts("Regimens by name.")
    arms: dict[str, Arm] = named_parts("Arms by name.")
    theory: dict[str, Any] | None = named_parts("Keys of a theory experiment.")
    robustness: dict[str, Any] | None = named_parts("Keys of the claim-robustness experiment.")
    dose_matrix: dict[str, Any] | None = named_parts("Keys of a dose matrix.")
    measured: list[Measurement] = listing("Measured values, shown beside the simulated ones; given as a list of CSV files.", default=())
