"""How traffic moves to an approved release: a plan, a lease, what the log says of both arms, and what follows."""
