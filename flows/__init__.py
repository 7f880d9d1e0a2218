"""Flows order: which step follows which, and the `seatrial` command."""
