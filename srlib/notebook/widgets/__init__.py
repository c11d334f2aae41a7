"""Pictures a reader can move. Import from the modules by name; this file imports nothing."""
