"""Ask models about images and texts, and keep their answers: tasks, requests, replies, votes.

Reads no config and fits nothing. Only ``transport`` and ``batch/provider`` know the openai package;
a reply is stored in the ledger before it is parsed; keys are neither stored nor shown.
"""
