"""Grading: assignments, a sandbox for the notebooks handed in, results. Import from the modules by name."""
