"""What chapters show things with. Import from the modules by name; this file imports nothing."""
