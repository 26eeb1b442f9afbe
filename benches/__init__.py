"""Benches: what diptych costs, beside the library a user would otherwise pick (see README.md)."""
