"""Download images by URL: politely, resumably, with every loss counted.

``fetch`` gets one URL and returns one answer; ``hosts`` and ``run`` get many by queues of hosts;
``outcomes`` records what became of each as it happens, and reports on all at the end.
"""
