"""Measuring divergences: a critic alone between two sample sets, its bound on examples it has not seen."""
