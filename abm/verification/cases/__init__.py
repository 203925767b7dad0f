"""The cases, one module per family; every module here is loaded by `abm.verification.registry`."""
