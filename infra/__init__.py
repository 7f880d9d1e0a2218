"""Infra touches the world: stores, ledger, keys, data sources, subprocesses, scoring."""
