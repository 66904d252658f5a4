"""Tests of the ways in, as people and programs use them."""
