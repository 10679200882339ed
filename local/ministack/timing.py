"""Waiting times of AWS, which the local AWS shortens."""

factor = 1.0  # every waiting time is divided by it


def scaled(seconds, least=0.0):
    """Return how long the local AWS waits where AWS waits for a number of seconds, but at least `least` seconds."""
    return max(seconds / factor, least)
