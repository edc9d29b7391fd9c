"""Tables of users and our own: one reader for users' files, one format for ours.

No torch, no configs. Labels and data sets build on this room.
"""
