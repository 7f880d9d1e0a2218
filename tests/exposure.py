"""Answers to the uncomfortable questions, for specs of tests that are about something else."""

ANSWERS = {
    "worst_behaviour": "It says yes to loans which nobody can ever pay back, month after month.",
    "extraction": "Rows are made up by a generator, so nothing true of anybody could leak.",
    "financial": "Every loan that fails loses its whole amount, about five thousand each.",
    "commercial": "Other banks might learn where we are generous and send us their rest.",
    "legal": "Consumer credit directive; our bank answers before the court, not its supplier.",
    "safety": "Debt ruins households, so a clerk calls each applicant before money flows.",
    "reputation": "Bank refuses nurses by computer: one such headline costs many customers.",
    "misuse": "Marketing may take scores as income; they see labels only, never numbers.",
}
RISK = "risk:\n  answers:\n" + "".join(f"    {key}: {answer!r}\n" for key, answer in ANSWERS.items())
