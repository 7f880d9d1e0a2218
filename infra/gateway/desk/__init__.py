"""Who answers: the ledger followed, releases at hand, the split, and what is done where a record is not trusted."""
