"""A number for each image by a named scorer, and the order of scored images.

No model is asked for votes and nothing is trained here.
"""
