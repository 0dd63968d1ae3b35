"""The servers that textmill starts: whom they answer, with what login, and how they are reached."""
