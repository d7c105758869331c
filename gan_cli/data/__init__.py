"""Data sets: what a run learns from, and the feed that hands it out batch by batch."""
