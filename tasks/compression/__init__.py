"""Alternatives to a candidate: one file per idea, and one frontier that all of them are measured on."""
