"""What an update does: one file, one method. Import from the modules by name; this file imports nothing."""
