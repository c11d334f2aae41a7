"""Degradations drawn anew for every sample. Import from the modules by name; this file imports nothing."""
