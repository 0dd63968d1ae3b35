"""The servers that textmill starts: allowed hosts, login, ports and processes."""
