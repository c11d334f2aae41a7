"""Training steps: one module per method. Import from the modules by name; this file imports nothing."""
