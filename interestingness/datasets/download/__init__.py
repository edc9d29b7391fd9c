"""Images by URL: politely, resumably, with every loss counted.

One URL in, one outcome out (``fetch``); many URLs through queues by host (``hosts``, ``run``); what
became of each is written down as it happens (``record``) and told at the end (``report``).
"""
