"""A report as one HTML file that needs no network.

The template escapes every text; a content security policy allows only the script with the stated hash.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from molgen.output.report import plot
from molgen.output.report.content import Report
from molgen.paths import write_text

_HERE = Path(__file__).resolve().parent


def write_report_page(path: Path, report: Report) -> None:
    """Writes the page atomically.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    write_text(path, render_report_page(report))


def render_report_page(report: Report) -> str:
    """The text of the page, in ASCII."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["instance"] = lambda value, name: type(value).__name__ == name
    script = f"\n{(_HERE / 'report.js').read_text(encoding='ascii')}"
    text = environment.get_template("report.html").render(
        report=report,
        script=script,
        policy=_policy(script),
        plot=plot,
    )
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'"
