"""Files: what they hold, and writing them whole or not at all. This file imports nothing."""
