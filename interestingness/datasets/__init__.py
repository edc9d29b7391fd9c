"""Prepare data sets: one file per public data set converts raw files to our tables."""
