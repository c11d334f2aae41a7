"""One loop for every method. Import from the modules by name; this file imports nothing."""
