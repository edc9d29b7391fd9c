"""What gives every image of a data set a number; its table is then read by a label source."""
