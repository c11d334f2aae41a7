"""What networks are trained to make small. Import from the modules by name; this file imports nothing."""
