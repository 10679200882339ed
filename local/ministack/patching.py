"""Helpers of the patches."""


def replace(owner, name, function):
    """Replace a function of MiniStack in a module, a class or an action table, and return the original function."""
    if isinstance(owner, dict):
        original, owner[name] = owner[name], function
    else:
        original = getattr(owner, name)
        setattr(owner, name, function)
    return original


def insert_before(body, text, addition):
    """Return an XML response body with elements inserted before each occurrence of text."""
    return body.replace(text.encode(), (addition + text).encode())
