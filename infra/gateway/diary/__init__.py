"""What is written down beside the answers: predictions, truths, reports and counts."""
