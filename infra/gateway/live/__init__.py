"""What a package asks of sources outside while it answers."""
