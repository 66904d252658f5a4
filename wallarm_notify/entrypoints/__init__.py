"""Ways in, without rules."""
