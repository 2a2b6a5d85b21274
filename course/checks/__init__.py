"""What `python -m course check` looks for: a function a question, each returns its problems as lines."""
