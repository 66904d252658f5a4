"""How fast it is: figures for docs, never limits in a test."""
