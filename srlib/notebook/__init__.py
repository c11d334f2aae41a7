"""Figures and widgets of the chapters. Import from the modules by name; this file imports nothing."""
