"""One module per command, each with `add(commands)`; this file imports nothing."""
