"""Tasks measure: one file per step, that builds, measures or records; never a threshold, never a verdict."""
