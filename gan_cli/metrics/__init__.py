"""Measures of a generator: pure functions of samples."""
