"""Networks, one module per paper. Import the class from its module; this file imports nothing."""
