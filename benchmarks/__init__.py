"""Measurements behind the numbers in the course. A package, so that no other of this name is found first."""
