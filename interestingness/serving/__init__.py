"""A scorer over HTTP: requests are decoded one by one, and run through the network together."""
