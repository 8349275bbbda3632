"""Pictures that are drawn while the pages are built: ``.. draw:: windows(Conv(3), 5)``.

The argument is a Python expression in the names of `upshape.draw`, `upshape.shapes` and
`upshape.reference`, with NumPy as ``np``; what it gives is drawn. The picture's alternative text is
the one that it brings along; the directive's content is the caption. ``:variables:`` takes
assignments that the expression may use, separated by semicolons.

``.. answer::`` folds the answer to an exercise away.
"""

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from drawings import drawing_of
from sphinx.util.docutils import SphinxDirective

__all__ = ["Answer", "Draw", "setup"]


class picture(nodes.General, nodes.Inline, nodes.Element):
    """An SVG picture: its attributes are ``svg``, ``alt``, ``width``, ``height`` and ``file``."""


class Draw(SphinxDirective):
    """The directive ``draw``."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"variables": directives.unchanged}  # noqa: RUF012, as docutils wants it

    def run(self):
        """Draw, and put the picture with its caption into the page."""
        try:
            drawing = drawing_of(self.arguments[0], self.options.get("variables", ""))
        except Exception as error:
            raise self.error(f"{type(error).__name__}: {error}") from error
        number = self.env.new_serialno("draw")
        image = picture(
            svg=drawing.svg,
            alt=drawing.alt,
            width=round(drawing.width),
            height=round(drawing.height),
            file=f"{self.env.docname.replace('/', '-')}-{number + 1}.svg",
        )
        figure = nodes.figure("", image, classes=["drawn"])
        self.set_source_info(figure)
        self.add_name(figure)
        parsed = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, parsed)
        if parsed.children:
            first, *rest = parsed.children
            caption = nodes.caption(first.rawsource, "", *first.children)
            caption.source, caption.line = first.source, first.line
            figure += caption
            if rest:
                figure += nodes.legend("", *rest)
        return [figure]


def visit_html(translator, node):
    """Write the picture beside the other images, and the page's reference to it."""
    builder = translator.builder
    folder = Path(builder.outdir) / builder.imagedir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / node["file"]).write_text(node["svg"] + "\n", encoding="utf-8")
    address = f"{builder.imgpath}/{node['file']}"
    translator.body.append(
        f'<img src="{address}" alt="{translator.attval(node["alt"])}" '
        f'width="{node["width"]}" height="{node["height"]}">'
    )
    raise nodes.SkipNode


class folded(nodes.General, nodes.Element):
    """What is folded away until its summary is clicked."""


class summary(nodes.Part, nodes.TextElement):
    """The line that is always seen; a text element, so that catalogues have it."""


class Answer(SphinxDirective):
    """The directive ``answer``: an exercise's answer, folded."""

    has_content = True

    def run(self):
        """Put the content under a summary."""
        line = summary("Answer", "Answer")
        self.set_source_info(line)
        node = folded("", line)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def element(name):
    """Return what writes a node as an HTML element."""
    return (
        lambda translator, node: translator.body.append(f"<{name}>"),
        lambda translator, node: translator.body.append(f"</{name}>\n"),
    )


def visit_other(translator, node):
    """Leave the picture out: its caption is there."""
    raise nodes.SkipNode


def setup(app):
    """Tell Sphinx of the directive and its node."""
    others = dict.fromkeys(("latex", "man", "texinfo", "text"), (visit_other, None))
    app.add_node(picture, html=(visit_html, None), **others)
    app.add_directive("draw", Draw)
    shown = (lambda translator, node: None, lambda translator, node: None)
    plain = dict.fromkeys(others, shown)
    app.add_node(folded, html=element("details"), **plain)
    app.add_node(summary, html=element("summary"), **plain)
    app.add_directive("answer", Answer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
