"""Where pictures come from. Import from the modules by name; this file imports nothing."""
