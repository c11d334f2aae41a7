"""Interactive pictures. Import from the modules by name; this file imports nothing."""
