"""Download images by URL: politely, resumably, with every loss counted.

``fetch`` gets one URL and returns one outcome; ``hosts`` and ``run`` get many by queues of
hosts; ``record`` writes each outcome as it happens, and ``report`` summarises them at the end.
"""
