"""Send LLM work that can wait through the cheapest lane that still arrives on time."""
