"""Formulas as MathML, made while the pages are built: no script, and no network, is needed."""

from latex2mathml.converter import convert

__all__ = ["setup"]


def inline(translator, node):
    """Write a formula that stands in a sentence."""
    translator.body.append(f'<span class="math">{convert(node.astext())}</span>')


def displayed(translator, node):
    """Write a formula that has a line of its own; one wider than a phone scrolls in its box."""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math">{formula}</div>\n')


def skip(visit):
    """Return a visit that leaves nothing to be done for what the node holds."""

    def visit_only(translator, node):
        from docutils.nodes import SkipNode

        visit(translator, node)
        raise SkipNode

    return visit_only


def setup(app):
    """Offer the renderer to Sphinx."""
    app.add_html_math_renderer("mathml", (skip(inline), None), (skip(displayed), None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
