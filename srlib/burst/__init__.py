"""Many frames of one scene. Import from the modules by name; this file imports nothing."""
