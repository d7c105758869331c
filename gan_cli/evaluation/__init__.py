"""What `metric=[…]` measures: the metrics as objects of a run, and the features that they compare."""
