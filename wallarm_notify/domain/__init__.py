"""Nouns and rules: standard library only, no framework, no input or output."""
