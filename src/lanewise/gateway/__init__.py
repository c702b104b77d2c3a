"""OpenAI- and Anthropic-shaped HTTP: what somebody waits for passes through, what can wait is queued."""
