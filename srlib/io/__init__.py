"""Files: image formats and atomic writing. This file imports nothing."""
