"""Programs that are kept running together on one machine: begun, asked how they are, begun again, ended."""
