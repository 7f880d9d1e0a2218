"""Sequential tests: what can be said of a running rollout, at any moment, however often one asks.

`ticks` sums up what was seen, `watching` makes bounded values of it, `betting` gathers evidence against a claim,
`intervals` turns it round into confidence sequences, `foresight` says how many more are needed, `rollout` answers.
Pure numbers: no clock, no store, no Prefect.
"""
