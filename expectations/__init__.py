"""Expectations judge: the language of a release. No input, no output, no Prefect."""
