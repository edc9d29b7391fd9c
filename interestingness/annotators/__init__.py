"""Makes tables of labels by asking models; the only room that speaks HTTP when it is asked to."""
