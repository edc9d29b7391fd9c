"""Collect a data set such as LaFin from Flickr's API, with your own key.

``api`` sends queries, ``days`` collects one day, ``collect`` collects all days.
"""
