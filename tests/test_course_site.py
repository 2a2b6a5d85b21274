"""The site and the slides of the tiny course: what is in the files, and what a browser makes of them."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document

from course.errors import CourseError
from course.project import Course, here
from course.site import site
from course.site_source.deck import deck
from course.site_source.extension import typeset_html
from course.site_source.tree import LIBRARY
from course.slides import slides
from tests.browser import CHROMIUM, browse, serve

UNIT = "00_tiny"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("site"),  # built once
    # of Sphinx's extensions, about Sphinx
    pytest.mark.filterwarnings("ignore:The mapping interface for autodoc", "ignore:.*Check CHANGES for Sphinx API"),
]
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM: NO PAGE WAS OPENED IN A BROWSER")

# What MathJax makes of a formula with a mistake, and of a command that it does not know.
WRONG = 'mjx-merror, mjx-container [style*="color: red"]'


@pytest.fixture(scope="module")
def course(tiny) -> Course:
    return tiny


@pytest.fixture(scope="module")
def made(course, tmp_path_factory) -> Path:
    """The folder of the site."""
    return site(course, tmp_path_factory.mktemp("site"), progress=False).parent


@pytest.fixture(scope="module")
def pages(made) -> dict[str, BeautifulSoup]:
    """Every HTML page by its path in the site."""
    paths = sorted(made.rglob("*.html"))
    return {
        str(path.relative_to(made)): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in paths
    }


@pytest.fixture
def changed(course, tmp_path) -> Course:
    """A copy of the built course, to be spoilt."""
    shutil.copytree(course.root, tmp_path / "copy")
    return Course(tmp_path / "copy")


def edit(course: Course, text: str, kind: str = "lectures", language: str = "ru") -> None:
    """Adds a Markdown cell to a committed notebook."""
    path = course.notebook(kind, language, UNIT)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell(text))
    nbformat.write(notebook, path)


def test_both_languages_have_the_same_pages_and_each_leads_to_its_twin(pages):
    english = {page[3:] for page in pages if page.startswith("en/")}
    assert {
        f"lectures/{UNIT}.html",
        f"labs/{UNIT}.html",
        "glossary.html",
        "search.html",
        "library/models.html",
    } <= english
    assert english == {page[3:] for page in pages if page.startswith("ru/")}
    for path, page in pages.items():
        language, _, rest = path.partition("/")
        if language not in ("en", "ru"):
            continue
        other = {"en": "ru", "ru": "en"}[language]
        switches = page.select("a.language-switch")
        assert switches, path
        assert {resolve(path, switch["href"]) for switch in switches} == {f"{other}/{rest}"}
        assert page.html["lang"] == language


def resolve(page: str, link: str) -> str:
    """Where a relative link of a page leads, as a path in the site."""
    return unquote(urlsplit(urljoin(f"http://site/{page}", link)).path).lstrip("/")


def test_every_link_within_the_site_leads_somewhere(pages, made):
    for path, page in pages.items():
        for link in page.select("[href], [src]"):
            target = link.get("href") or link.get("src")
            if not urlsplit(target).scheme and not target.startswith("#"):
                assert (made / resolve(path, target)).exists(), f"{path}: {target}"


def test_nothing_is_loaded_from_elsewhere(pages, made):
    for path, page in pages.items():
        for loaded in page.select("link[rel=stylesheet], link[rel=preload], script, img, iframe, source"):
            target = loaded.get("href") or loaded.get("src") or ""
            assert urlsplit(target).scheme in ("", "data"), f"{path}: {target}"
            assert not target.startswith("//"), f"{path}: {target}"
        for script in page.select("script:not([src]), style"):
            assert not re.search(r"(import|url\(|src\s*=)\s*['\"]?(https?:)?//", script.text), path
    for sheet in made.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("kind", ["lectures", "labs"])
def test_a_notebook_opens_in_colab_and_downloads_as_committed(pages, made, course, kind, language):
    path = f"{language}/{kind}/{UNIT}.html"
    colab, download = pages[path].select_one("a.colab"), pages[path].select_one("a.download")
    address = "https://colab.research.google.com/github/dgm-tfp/dgm-tfp/blob/main"
    assert colab["href"] == f"{address}/{kind}/{language}/{UNIT}.ipynb"
    assert ("Открыть" if language == "ru" else "Open") in colab.text
    assert ("Скачать" if language == "ru" else "Download") in download.text
    copy = made / resolve(path, download["href"])
    assert copy.read_bytes() == course.notebook(kind, language, UNIT).read_bytes()


def test_figures_have_their_alternative_text(pages):
    for folder in ("ru/lectures", "slides/ru"):
        [figure] = pages[f"{folder}/{UNIT}.html"].select("article img, section img")
        assert figure["alt"] == "Прямая, которая поднимается слева направо."


def test_a_lecture_leads_to_its_lab_on_the_same_site(pages):
    links = [link["href"] for link in pages[f"ru/lectures/{UNIT}.html"].select("article a.reference")]
    assert f"../labs/{UNIT}.html" in links


def test_the_setup_cell_is_hidden(pages):
    assert "google.colab" not in pages[f"en/lectures/{UNIT}.html"].select_one("article").text
    assert "google.colab" not in pages[f"slides/en/{UNIT}.html"].text


def test_home_lists_the_units_by_their_own_titles(pages):
    assert "Маленькая лекция" in pages["ru/index.html"].select_one("article .units").text
    assert "плотность" in pages["ru/glossary.html"].select_one("article").text
    assert "density" in pages["ru/glossary.html"].select_one("article").text


def test_the_library_has_a_page_for_whatever_dgm_tfp_exports(pages):
    import dgm_tfp

    assert set(dgm_tfp.__all__) - {"__version__"} <= set(LIBRARY)
    models = pages["en/library/models.html"].select_one("article").text
    assert "class Glow" in models
    assert "kl_divergence" not in models  # TensorFlow Probability's


def test_no_path_of_this_machine_is_in_the_site(made, course):
    here = {str(Path(__file__).resolve().parent.parent), str(made.parent), str(course.root), "/tmp/"}
    for path in made.rglob("*"):
        if path.suffix in (".html", ".js", ".css") and "mathjax" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not [machine for machine in here if machine in text], path


def test_no_solution_is_in_the_site(made):
    everything = [path for path in made.rglob("*") if path.is_file()]
    assert not [path for path in everything if "solution" in path.name]
    for path in everything:
        if path.suffix in (".html", ".js", ".ipynb") and "mathjax" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert "return 2 * x" not in text, path
            assert "HIDDEN TESTS" not in text or path.parent.name == "dgm_tfp", path


def test_the_search_index_knows_a_russian_word_by_its_stem(made):
    text = (made / "ru" / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    assert "плотност" in index["terms"]
    assert "плотность" not in index["terms"]


def test_the_same_notebooks_give_the_same_site(made, course, tmp_path):
    again = site(course, tmp_path / "again", progress=False).parent
    files = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    assert files == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    assert [file for file in sorted(files) if (made / file).read_bytes() != (again / file).read_bytes()] == []


def test_a_broken_link_is_told_with_its_file_and_cell(changed, tmp_path):
    edit(changed, "See [this](../../labs/ru/99_gone.ipynb).")
    with pytest.raises(CourseError, match=r"lectures/ru/00_tiny.ipynb, cell \d+, line 1: .*99_gone"):
        site(changed, tmp_path / "site", progress=False)
    assert not (tmp_path / "site").exists()


def test_a_broken_link_in_html_is_told(changed, tmp_path):
    edit(changed, 'See <a href="../../labs/ru/99_gone.ipynb">this</a>.')
    with pytest.raises(CourseError, match=r"lectures/ru/00_tiny.ipynb links to .*99_gone.ipynb, which does not exist"):
        site(changed, tmp_path / "site", progress=False)


def test_a_warning_is_an_error(changed, tmp_path):
    edit(changed, "#### A heading of the fourth level after one of the second", language="en")
    with pytest.raises(CourseError, match=r"lectures/en/00_tiny.ipynb, cell \d+, line 1: .*H2 to H4"):
        site(changed, tmp_path / "site", progress=False)


def test_a_notebook_not_built_is_told(changed, tmp_path):
    changed.notebook("labs", "en", UNIT).unlink()
    with pytest.raises(CourseError, match=r"there is no labs/en/00_tiny.ipynb.*python -m course build"):
        site(changed, tmp_path / "site", progress=False)


def test_a_folder_with_something_else_is_left_alone(course, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CourseError, match="holds something else than a site"):
        site(course, tmp_path, progress=False)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_texts_beside_the_units_join_where_they_are_written(changed, tmp_path):
    for language in ("en", "ru"):
        text = "# {}\n\n[1](../lectures/{}/00_tiny.ipynb) [2](../solutions/{}/00_tiny.ipynb) [3](glossary.yml)\n"
        (changed.folder / f"syllabus.{language}.md").write_text(text.format("Syllabus", language, language))
    (changed.folder / "instructor.en.md").write_text("# For the instructor\n")
    with pytest.raises(CourseError, match="the page instructor is not there in 'ru'"):
        site(changed, tmp_path / "site", progress=False)
    (changed.folder / "instructor.ru.md").write_text("# Преподавателю\n")
    folder = site(changed, tmp_path / "site", progress=False).parent
    page = BeautifulSoup((folder / "ru" / "syllabus.html").read_text(encoding="utf-8"), "html.parser")
    assert [link["href"] for link in page.select("article p a")] == [
        "lectures/00_tiny.html",
        "https://github.com/dgm-tfp/dgm-tfp/blob/main/solutions/ru/00_tiny.ipynb",
        "glossary.html",
    ]
    assert "Преподавателю" in (folder / "ru" / "index.html").read_text(encoding="utf-8")


def test_formulas_in_html_are_marked_for_mathjax():
    document = new_document("page")
    text = r"<summary>Is $a &lt; b$ or $\frac{1}{2}$ \$5?</summary><td>$2</td><td>$3</td>"
    document += nodes.raw("", text, format="html")
    typeset_html(None, document)
    assert re.findall(r"<span[^>]*>(.*?)</span>", document.astext()) == [r"\(a &lt; b\)", r"\(\frac{1}{2}\)"]


def test_slides_of_an_unknown_unit_or_language(course, tmp_path):
    with pytest.raises(CourseError, match="there is no unit '99'; expected one of 00_tiny"):
        slides(course, "99", "en", tmp_path)
    with pytest.raises(CourseError, match="there is no language 'de'"):
        slides(course, "00", "de", tmp_path)


def test_a_deck_keeps_a_figure_with_its_caption_and_cuts_long_prose(course):
    lecture = nbformat.read(course.notebook("lectures", "en", UNIT), as_version=4)
    figure = next(
        i for i, cell in enumerate(lecture.cells) if cell.cell_type == "code" and "image/png" in str(cell.outputs)
    )
    prose = "\n\n".join(["A sentence that goes on for about a line of text, and a half." * 3] * 20)
    lecture.cells.insert(figure + 1, nbformat.v4.new_markdown_cell(f"*Figure 1. The line.*\n\n{prose}"))
    cells = deck(lecture).cells
    place = next(i for i, cell in enumerate(cells) if "Figure 1" in cell.source)
    assert "image/png" in str(cells[place - 1].outputs)
    assert cells[place].metadata.slideshow.slide_type == "-"
    kinds = [cell.metadata.slideshow.slide_type for cell in cells]
    assert kinds.count("slide") == 2  # its H1 and its H2
    assert kinds.count("subslide") >= 3


def typeset(page) -> None:
    """Waits for MathJax, and asserts that it took every formula."""
    page.wait("window.MathJax && MathJax.startup && MathJax.startup.promise.then(() => true)")


def clean(page, base: str) -> None:
    """Nothing went wrong on the way, and nothing was asked of another machine."""
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith((base, "data:", "blob:"))] == []


@in_browser
@pytest.mark.parametrize(("language", "other", "word"), [("en", "ru", "densities"), ("ru", "en", "плотностями")])
def test_a_reader_opens_a_lecture_switches_the_language_and_searches(made, language, other, word):
    with serve(made) as base, browse() as page:
        page.open(f"{base}{language}/lectures/{UNIT}.html")
        typeset(page)
        formulas = page.evaluate("document.querySelectorAll('article .math').length")
        assert formulas == 3
        assert page.evaluate("document.querySelectorAll('article mjx-container').length") == formulas
        assert page.evaluate("document.querySelectorAll('mjx-merror').length") == 0
        assert page.evaluate("document.querySelector('article img').naturalWidth") > 0

        page.evaluate("[...document.querySelectorAll('a.language-switch')].find((a) => a.checkVisibility()).click()")
        page.wait(f"location.pathname == '/{other}/lectures/{UNIT}.html' && document.readyState == 'complete'")
        assert page.evaluate("document.documentElement.lang") == other
        typeset(page)

        page.open(f"{base}{language}/index.html")
        page.evaluate(
            "[...document.querySelectorAll('.search-button__button')].find((b) => b.checkVisibility()).click()"
        )
        page.wait("document.activeElement.tagName == 'INPUT'")
        page.type(word)
        page.press("Enter")
        page.wait("location.pathname.endsWith('/search.html')")
        page.wait(f"document.querySelector('#search-results a[href*=\"lectures/{UNIT}.html\"]')")
        clean(page, base)


@in_browser
def test_the_first_page_leads_to_the_readers_language(made):
    with serve(made) as base, browse() as page:
        for asked, given in (("ru-RU", "ru"), ("en-GB", "en"), ("fr", "en")):
            agent = page.evaluate("navigator.userAgent")
            page.send("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=asked)
            page.open(base)
            page.wait(f"location.pathname == '/{given}/index.html'")
        clean(page, base)


@in_browser
@pytest.mark.parametrize("dark", [False, True])
def test_no_page_is_wider_than_a_phone(made, pages, dark):
    with serve(made) as base, browse() as page:
        page.resize(390, 800, dark)
        for path in ("ru/index.html", f"ru/lectures/{UNIT}.html", f"en/labs/{UNIT}.html", "ru/glossary.html"):
            page.open(base + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
            assert page.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
        clean(page, base)


@in_browser
def test_slides_are_shown_without_a_network(course, tmp_path):
    path = slides(course, "00", "ru", tmp_path)
    assert path == tmp_path / "ru" / f"{UNIT}.html"
    with serve(tmp_path) as base, browse() as page:
        page.resize(1280, 720)
        page.open(f"{base}ru/{UNIT}.html")
        page.wait("window.Reveal && Reveal.isReady()")
        typeset(page)
        assert page.evaluate("document.querySelectorAll('.slides mjx-container').length") == 3
        assert page.evaluate("document.querySelectorAll('mjx-merror').length") == 0
        assert page.evaluate("document.querySelector('img').naturalWidth") > 0
        assert page.evaluate("Reveal.getTotalSlides()") >= 2
        assert not page.evaluate("document.querySelector('details:not(.code)').open")
        page.press("ArrowRight")
        page.wait("Reveal.getIndices().h == 1")
        assert page.evaluate("Reveal.getCurrentSlide().querySelector('h2').checkVisibility()")
        clean(page, base)


@in_browser
def test_every_lecture_and_lab_of_the_course_is_typeset(tmp_path):
    folder = site(here(), tmp_path / "site", progress=False).parent
    with serve(folder) as base, browse() as page:
        for path in sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/l[ea][cb]*/*.html")):
            page.open(base + path)
            if not page.evaluate("document.querySelector('article .math')"):
                continue
            typeset(page)
            count = "document.querySelectorAll('{}').length"
            assert page.evaluate(count.format("article mjx-container")) == page.evaluate(
                count.format("article .math")
            ), path
            assert page.evaluate(f"[...document.querySelectorAll('{WRONG}')].map((e) => e.textContent)") == [], path
            assert page.evaluate("[...document.images].filter((i) => i.checkVisibility() && !i.naturalWidth)") == [], (
                path
            )
            assert page.evaluate("[...document.querySelectorAll('article img')].filter((i) => !i.alt).length") == 0, (
                path
            )
        for path in sorted(path.relative_to(folder).as_posix() for path in folder.glob("slides/*/*.html")):
            page.open(base + path)
            typeset(page)
            assert page.evaluate(f"[...document.querySelectorAll('{WRONG}')].map((e) => e.textContent)") == [], path
        clean(page, base)
