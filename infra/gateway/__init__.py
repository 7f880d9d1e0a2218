"""The scoring server: the wire reads and writes HTTP, the desk knows who answers, arms score.

A request goes  wire (bytes → tensors) → desk (key, mode, split) → arm (feed, graph, guards) → desk (log, count) → wire.
The desk follows the ledger beside it; no route changes what is served.
"""
