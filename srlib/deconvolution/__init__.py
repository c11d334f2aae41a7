"""Deconvolution: undoing a known blur. Import from the modules by name; this file imports nothing."""
