"""From a command line to a finished folder: arguments, output folder, one job, sweeps, the summary table."""
