"""Whole frameworks beside our networks, each in a process and an environment of its own."""
