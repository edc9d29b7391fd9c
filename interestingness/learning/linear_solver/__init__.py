"""Hundreds of linear heads at once: the L2 optimum (`ridge`) and the paper's recipe (`recipe`)."""
