"""Multi-frame super-resolution. Import from the modules by name; this file imports nothing."""
