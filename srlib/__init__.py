"""Image super-resolution, small and tested. Import the modules by name; this file imports nothing."""
