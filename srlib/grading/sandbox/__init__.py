"""The sandbox in which notebooks are run: only data comes out. Import from the modules by name; start with `host`."""
