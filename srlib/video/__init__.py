"""Video: frames of one scene whose contents move. Import from the modules by name; this file imports nothing."""
