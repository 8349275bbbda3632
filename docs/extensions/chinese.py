"""Search in Chinese: a text is found by any two characters that stand side by side in it.

Sphinx's own needs a dictionary to tell words apart, and finds no Chinese without it.
"""

import re

from sphinx.search import SearchLanguage

__all__ = ["SearchChinese", "setup"]

RUNS = re.compile(r"[\u4e00-\u9fff]+|\w+")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def pieces(run):
    """Return the pairs of neighbours of a run of Chinese, and its characters.

    >>> pieces("余数")
    ['余', '数', '余数']
    """
    return [*run, *(run[n : n + 2] for n in range(len(run) - 1))]


class SearchChinese(SearchLanguage):
    """What Sphinx asks of a language."""

    lang = "zh"
    language_name = "Chinese"
    js_stemmer_rawcode = ""
    js_stemmer_code = """
class ChineseStemmer { stemWord(word) { return word.toLowerCase(); } }
window.Stemmer = ChineseStemmer;
"""
    js_splitter_code = r"""
function splitQuery(query) {
  const found = [];
  for (const run of query.match(/[\u4e00-\u9fff]+|[a-zA-Z0-9_]+/g) || []) {
    if (!/[\u4e00-\u9fff]/.test(run) || run.length === 1) found.push(run);
    else for (let n = 0; n + 1 < run.length; n += 1) found.push(run.slice(n, n + 2));
  }
  return found;
}
window.splitQuery = splitQuery;
"""

    def split(self, text):
        """Return what a text is found by."""
        found = []
        for run in RUNS.findall(text):
            found += pieces(run) if CHINESE.match(run) else [run]
        return found

    def stem(self, word):
        """Return the word in small letters."""
        return word.lower()

    def word_filter(self, word):
        """Tell whether to keep a word: of one letter only if it is Chinese."""
        return len(word) > 1 or bool(CHINESE.match(word))


def setup(app):
    """Take the place of Sphinx's search in Chinese."""
    app.add_search_language(SearchChinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
