"""The printed report: typst, tagged PDF/A, in any script whose fonts the machine has."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import typst

from wetread.dicom.personname import PersonName
from wetread.reporting import rules
from wetread.reporting.pictures import KeyPicture
from wetread.reporting.service import ReportView
from wetread.security.model import Site

# First that has the glyph wins; the last two come with typst itself.
FONTS = ("IBM Plex Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Naskh Arabic",
         "Noto Sans Arabic", "Noto Sans Hebrew", "DejaVu Sans", "Libertinus Serif", "New Computer Modern")  # fmt: skip
_SIDE = {"L": "LEFT", "R": "RIGHT", "B": "BOTH SIDES"}
_KIND = {"preliminary": "PRELIMINARY REPORT", "final": "REPORT", "addendum": "ADDENDUM"}

_LAYOUT = """
#let d = json(sys.inputs.file)
#set document(title: d.title, author: d.author, date: datetime(year: d.date.at(0), month: d.date.at(1), day: d.date.at(2)))
#set text(font: d.fonts, size: 10pt, lang: "en", fallback: true)
#set par(justify: false, leading: 0.62em)
#show heading.where(level: 1): it => block(above: 0pt, below: 8pt, text(size: 15pt, weight: "bold", it.body))
#show heading.where(level: 2): it => block(
  above: 14pt, below: 5pt, text(size: 8.5pt, weight: "bold", fill: rgb("#3b4a5a"), tracking: 0.06em, upper(it.body)))
#set page(
  paper: "a4", margin: (x: 22mm, top: 20mm, bottom: 22mm),
  footer: context [
    #set text(size: 7.5pt, fill: rgb("#4a5560"))
    #line(length: 100%, stroke: 0.4pt + rgb("#9aa5b0"))
    #v(-4pt)
    #d.patient_line #h(1fr) Page #counter(page).display() of #counter(page).final().first()
  ],
)
#grid(columns: (1fr, auto), align: (left + horizon, right + horizon),
  [#text(size: 13pt, weight: "bold", d.institution) \\ #text(size: 8.5pt, fill: rgb("#4a5560"), d.address)],
  [#text(size: 8.5pt, fill: rgb("#4a5560"), d.phone)])
#v(2pt)
#line(length: 100%, stroke: 0.8pt + rgb("#22303c"))
#v(6pt)
#if d.banner != "" { block(fill: rgb("#fff3d6"), inset: 7pt, width: 100%, radius: 2pt, strong(d.banner)); v(4pt) }
= #d.title
#block(fill: rgb("#f1f4f6"), inset: 9pt, width: 100%, radius: 2pt)[
  #grid(columns: (auto, 1fr, auto, 1fr), column-gutter: 10pt, row-gutter: 6pt,
    ..d.facts.map(f => (text(fill: rgb("#4a5560"), size: 8.5pt, f.at(0)), text(weight: "medium", f.at(1)))).flatten())
]
#for version in d.versions {
  if version.heading != "" { v(8pt); text(weight: "bold", size: 11pt, version.heading) }
  for section in version.sections {
    heading(level: 2, section.at(0))
    for paragraph in section.at(1) { par(paragraph) }
  }
  v(8pt)
  block(breakable: false, inset: (left: 8pt), stroke: (left: 2pt + rgb("#2f7d4f")))[
    #text(size: 9pt)[Signed electronically by #strong(version.signer) on #version.signed_at] \\
    #text(size: 7pt, fill: rgb("#4a5560"))[Content SHA-256 #version.digest]
  ]
}
#if d.images.len() > 0 {
  heading(level: 2, "Key images")
  let letter(where, dx, dy, words) = place(where, dx: dx, dy: dy, box(
    fill: rgb("#000000b0"), inset: 1.5pt, radius: 1pt, text(size: 7pt, weight: "bold", fill: white, words)))
  grid(columns: (1fr, 1fr, 1fr), gutter: 8pt,
    ..d.images.map(i => block(breakable: false)[
      #block(below: 3pt)[
        #image(i.file, width: 100%, alt: i.alt)
        #if i.edges != none {
          letter(left + horizon, 2pt, 0pt, i.edges.left)
          letter(right + horizon, -2pt, 0pt, i.edges.right)
          letter(top + center, 0pt, 2pt, i.edges.top)
          letter(bottom + center, 0pt, -2pt, i.edges.bottom)
        }
      ]
      #set text(size: 8pt)
      #set par(leading: 0.45em)
      #if i.side != none { strong(i.side) + [ ] }#i.note#if i.side != none or i.note != "" { linebreak() }
      #text(size: 7pt, fill: rgb("#4a5560"), i.place)
    ]))
}
"""


def readable_name(person_name: str) -> str:
    """A PN as people write it: family name in front, other scripts behind."""
    name = PersonName.parse(person_name)
    parts = (name.alphabetic.split("^") + [""] * 5)[:5]
    western = ", ".join(
        part for part in (parts[0], " ".join(filter(None, (parts[3], parts[1], parts[2])))) if part
    )
    others = [
        group.replace("^", " ").strip() for group in (name.ideographic, name.phonetic) if group.strip("^ ")
    ]
    return western + (f" ({' / '.join(others)})" if others else "")


def render(view: ReportView, site: Site, pictures: Sequence[KeyPicture] = ()) -> bytes:
    """The report as PDF/A-2b. An unsigned report has no PDF: raises ValueError."""
    if not view.versions:
        raise ValueError("nothing is signed")
    zone = ZoneInfo(site.time_zone)
    shown = rules.standing(view.versions)
    first = view.procedures[0]
    bar = view.patient
    born = bar.patient_birth_date.isoformat() if bar.patient_birth_date else "unknown"
    sides = [_SIDE[one.laterality] for one in view.procedures if one.laterality]
    title = "; ".join(one.requested_procedure_description for one in view.procedures)
    name = readable_name(bar.patient_name)
    data = {
        "title": f"{title}{' — ' + ', '.join(dict.fromkeys(sides)) if sides else ''}",
        "author": shown[0].signed_by_name,
        "date": shown[-1].signed_at.astimezone(zone).timetuple()[:3],
        "fonts": FONTS,
        "institution": site.institution_name,
        "address": ", ".join(filter(None, (site.address_line, site.city, site.state, site.postal_code))),
        "phone": site.phone or "",
        "banner": "" if shown[0].kind == "final" else "PRELIMINARY REPORT: not final, may still change.",
        "patient_line": f"{name} · born {born} · {bar.patient_id or ''} ({bar.issuer_of_patient_id or ''})",
        "facts": [
            ("Patient", name),
            ("Born", f"{born} ({bar.age})" if bar.age else born),
            ("Identifier", f"{bar.patient_id or ''} ({bar.issuer_of_patient_id or ''})"),
            ("Sex", {"M": "male", "F": "female", "O": "other"}.get(bar.patient_sex or "", "unknown")),
            ("Accession", ", ".join(dict.fromkeys(one.accession_number for one in view.procedures))),
            ("Ordered", first.ordered_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")),
            (
                "Referrer",
                readable_name(first.referring_physician_name) if first.referring_physician_name else "",
            ),
            (
                "Diagnoses",
                ", ".join(dict.fromkeys(code for one in view.procedures for code in one.diagnosis_codes)),
            ),
        ],
        "versions": [
            {
                "heading": _KIND["addendum"] if version.kind == "addendum" else "",
                "sections": [
                    (
                        section.capitalize(),
                        [line for line in version.sections[section].split("\n") if line.strip()],
                    )
                    for section in rules.SECTIONS
                    if version.sections.get(section, "").strip() and section != "addendum"
                ]
                + (
                    [("Text", version.sections["addendum"].split("\n"))]
                    if version.sections.get("addendum")
                    else []
                ),
                "signer": version.signed_by_name,
                "signed_at": version.signed_at.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z"),
                "digest": rules.content_hash(version.sections).hex(),
            }
            for version in shown
        ],
        "images": [
            {
                "file": f"image{number}{_suffix(picture.content)}",
                "alt": " · ".join(filter(None, (picture.note or "Key image", picture.side, picture.place))),
                "note": picture.note or "",
                "side": picture.side,
                "place": picture.place,
                "edges": picture.edges and asdict(picture.edges),
            }
            for number, picture in enumerate(pictures)
        ],
    }
    with tempfile.TemporaryDirectory(prefix="wetread-report-") as folder:
        root = Path(folder)
        (root / "report.typ").write_text(_LAYOUT)
        (root / "data.json").write_bytes(orjson.dumps(data))
        for number, picture in enumerate(pictures):
            (root / f"image{number}{_suffix(picture.content)}").write_bytes(picture.content)
        made = typst.compile(
            str(root / "report.typ"), root=folder, sys_inputs={"file": "data.json"}, pdf_standards=["a-2b"]
        )
    assert isinstance(made, bytes)
    return made


def _suffix(content: bytes) -> str:
    return ".png" if content.startswith(b"\x89PNG") else ".jpg"
