"""One paper, one file. Import the class from its module; this file imports nothing."""
