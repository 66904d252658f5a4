"""Verbs: one use case a file, acting on the world through ports."""
