"""Collecting a set such as LaFin from Flickr's API, with one's own key.

``api`` asks, ``days`` collects one day, ``collect`` all of them, ``command`` is the door.
"""
