"""Estimating an unknown blur from pictures alone. Import from the modules by name; this file imports nothing."""
