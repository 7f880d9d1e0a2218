"""The scoring server.

A request goes  wire (bytes → tensors) → desk (key, mode, split) → arm (feed, graph, guards) → desk → wire; `live` is
asked for what the caller does not send, `diary` writes down what was answered. The desk follows the ledger beside it;
no route changes what is served. `supervisor` runs several `worker` processes on one socket; `trial` serves a package
that nobody has approved yet, and `client` asks it.
"""
