"""One command, one file, each with `add(commands)`; this file imports nothing."""
