"""Sphinx's configuration of the site; what depends on the course and the language comes from `course.site`."""

from typing import Any

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "course.site_source.extension",
]
exclude_patterns = ["extra"]
templates_path = ["_templates"]
smartquotes = False  # the texts have the quotation marks that their authors wrote

# Notebooks, exactly as committed.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}  # else two scripts from a network
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "html_image"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# Both languages share one MathJax, beside their folders.
mathjax_path = "../../mathjax/tex-chtml.js"
mathjax3_config = {
    "chtml": {"mtextInheritFont": True},  # MathJax's own font has no Cyrillic
    "options": {"menuOptions": {"settings": {"assistiveMml": True}}},
}

# The library's docstrings: Google's style, names in single backticks.
default_role = "literal"
add_module_names = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False  # else all of Keras
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"
viewcode_line_numbers = True

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None  # the same sources give the same site
html_use_index = False
html_domain_indices = False
html_sidebars = {"**": ["sidebar-course.html"], "index": []}
html_theme_options = {
    "navbar_align": "left",
    "navbar_center": [],
    "navbar_persistent": ["search-button-field", "language-switch"],  # these two also on a phone
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "logo": {"image_light": "_static/favicon.svg", "image_dark": "_static/favicon.svg"},
    "article_header_start": ["notebook-links"],
    "article_header_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
