"""The only room that reads a composed config and builds things from it."""
