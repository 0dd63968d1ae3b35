"""OpenAI's API: completions and chats."""

__all__ = ["api_schemas", "completing"]
