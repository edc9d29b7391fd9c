"""A simulator with known truth: procedural scenes, simulated raters, calibrated to the paper."""
