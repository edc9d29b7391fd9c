"""Send tasks to a model: concurrency, retries, costs, and when to stop."""
