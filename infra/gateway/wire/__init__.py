"""HTTP in and out: bytes to tensors, an answer to bytes, and every edge that a caller may try."""
