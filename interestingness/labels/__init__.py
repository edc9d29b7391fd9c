"""Tables on disk become preferences; no torch."""
