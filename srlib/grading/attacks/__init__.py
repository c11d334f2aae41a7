"""Hostile notebooks, for `srlib grade --doctor` and the tests. Run them in the sandbox only."""
