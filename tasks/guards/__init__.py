"""What protects a model in production, learned from its data and compiled into its graph."""
