"""Names are found by index as by comparing them, whatever stands in them; and by index they are."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, text

from wetread.archive.model import Study
from wetread.archive.store import STUDY_KEYS
from wetread.kit.db import Database
from wetread.query.matching import Key, Kind, condition

NAMES = (
    "Doe^John", "DOE^JOHN^M", "Doe", "Doe-Moss^Ann", "Moss-Doe^Ann", "De la Doe^Jo", "Döe^Jòhn", "Doering^John", "O'Doe^J.R.",
    "Yamada^Tarou=山田^太郎=やまだ^たろう", "Wang^Xiao=王^小东", "=山田", "D%e^J_hn", "D[o]e^(John)", "D\\.e^x", "Doe^Dr. John+Doe",
    "doe", "ﬁn^Ada", "Zoë^\U0010fffe", "Zoë^ba",
)  # fmt: skip
ASKED = (
    "Doe", "Doe^John", "doe^john^", "DOE^J*", "D*", "Doe*", "*doe*", "*John", "D?e*", "Doe**", "山田*", "山田^太郎", "やまだ*",
    "Yamada^Tarou=山田^太郎", "Yamada*=*", "D%e*", "D_e^*", "D[o]e*", "O'Doe*", "Zoë*", "zoe^b*", "ﬁn*", "^", "Doe^",
)  # fmt: skip
FUZZY = ("doe", "john doe", "jo", "do", "o", "J.R.", "d.e", "(john)", "[o]e", "d%e", "r. j", "太郎", "やま", "ohn", "+doe", "moss ann", "fin")  # fmt: skip


def test_names_are_found_as_by_comparing_them(clean_database: Database) -> None:
    key = STUDY_KEYS.keys["PatientName"]
    assert len(key.groups) == 3
    compared = Key("PatientName", Kind.NAME, Study.patient_name_match)
    with clean_database.transaction() as session:
        for number, name in enumerate(NAMES):
            session.add(Study(study_instance_uid=f"1.2.{number}", patient_name=name, received_attributes={}))
        session.flush()

        def found(where: ColumnElement[bool] | None) -> list[str | None]:
            assert where is not None
            return sorted(session.scalars(select(Study.patient_name).where(where)), key=str)

        for value in ASKED:
            assert found(condition(key, value)) == found(condition(compared, value)), value
        # What is told of fuzzy matching: all words begin a word of the name, whatever their order.
        rows = session.execute(select(Study.patient_name, Study.patient_name_match))
        match = {row[0]: row[1] for row in rows}
        for value in FUZZY:
            folded = session.scalar(select(text("immutable_unaccent(lower(:value))")), {"value": value})
            words = str(folded).split()
            expected = [
                name
                for name, match_name in match.items()
                if all(any(f"{before}{word}" in str(match_name) for before in "=^ -") for word in words)
            ]
            assert found(condition(key, value, fuzzy_names=True)) == sorted(expected, key=str), value
        session.execute(text("SET LOCAL enable_seqscan = off"))
        for value, fuzzy, index in (
            ("Doe^John", False, "ix_study_patient_name_alphabetic"),
            ("山田*", False, "ix_study_patient_name_ideographic"),
            ("john doe", True, "ix_study_patient_name_match"),
        ):
            where = condition(key, value, fuzzy_names=fuzzy)
            assert where is not None
            query = select(Study.study_pk).where(where).compile(session.get_bind())
            plan = session.connection().exec_driver_sql("EXPLAIN " + str(query), query.params)
            assert index in "\n".join(line[0] for line in plan), value
