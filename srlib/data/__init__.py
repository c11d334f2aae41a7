"""Data sets and synthetic pictures. Import from the modules by name; this file imports nothing."""
