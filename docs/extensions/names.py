"""A public name in single back-quotes becomes a link to its entry.

numpydoc's docstrings write `interpolate` and `padding` alike. What is a parameter of the documented
object stays as it is; what `__all__` of one of the modules lists is linked.
"""

import importlib
import inspect
import re

__all__ = ["MODULES", "setup"]

#: The modules that users import from; what each lists in `__all__` has an entry in the API pages.
MODULES = (
    "upshape",
    "upshape.draw",
    "upshape.shapes",
    "upshape.shapes.symbols",
    "upshape.shapes.zoo",
    "upshape.reference",
)

QUOTED = re.compile(r"(?<![`:\w])`(?P<name>[A-Za-z_][\w.]+)`(?![`_\w])")


def parameters(obj):
    """Return the names of what the object takes: they are no links."""
    try:
        return set(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        return set()


def candidates(place, name):
    """Return the full names that `name` may stand for in the docstring of `place`, nearest first.

    >>> candidates("upshape.shapes.Conv.remainder", "Pool")[:2]
    ['upshape.shapes.Conv.remainder.Pool', 'upshape.shapes.Conv.Pool']
    """
    parts = place.split(".")
    around = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return [f"{one}.{name}" for one in around] + [name]


def is_public(full):
    """Tell whether a full name is a module of ours, in its `__all__`, or a method of what is."""
    if full in MODULES:
        return True
    module = max((m for m in MODULES if full.startswith(f"{m}.")), key=len, default=None)
    if module is None:
        return False
    name, *member = full.removeprefix(f"{module}.").split(".")
    found = importlib.import_module(module)
    if name not in found.__all__ or len(member) > 1:
        return False
    if not member:
        return True
    owner = getattr(found, name)
    return inspect.isclass(owner) and not member[0].startswith("_") and hasattr(owner, member[0])


def linked(text, place, taken):
    """Return one line of a docstring with the public names in it as references."""

    def link(found):
        name = found["name"]
        if name in taken:
            return found[0]
        full = next(filter(is_public, candidates(place, name)), None)
        return found[0] if full is None else f":py:obj:`{name} <{full}>`"

    return QUOTED.sub(link, text)


def link_names(app, what, name, obj, options, lines):
    """Link the public names of a docstring, outside of its examples and of ``code``."""
    owner = obj
    taken = parameters(owner)
    for n, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", ":math:")):
            parts = line.split("``")
            parts[::2] = [linked(part, name, taken) for part in parts[::2]]
            lines[n] = "``".join(parts)


def setup(app):
    """Read every docstring after numpydoc has."""
    app.connect("autodoc-process-docstring", link_names, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
