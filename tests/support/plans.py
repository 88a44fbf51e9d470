"""Small plans and missions for tests: a good one to start from, and builders for what differs."""

from __future__ import annotations

import copy
from typing import Any

from missions.model.contract import PlanDocument
from missions.model.mission import Feature, Milestone, Mission, PlanRef, Run
from missions.model.usage import Usage

GOOD_PLAN: dict[str, Any] = {
    "title": "Teach the importer about dates",
    "objective": "The importer reads dates in every form that the sample files hold, and says so when it cannot.",
    "nonGoals": ["Time zones stay as they are."],
    "assumptions": ["The sample files stand in samples/."],
    "milestones": [
        {
            "id": "M1",
            "title": "Reading",
            "objective": "Dates are read.",
            "validation": "Run the tests and import the samples.",
            "features": [
                {
                    "id": "F1",
                    "title": "Parse ISO dates",
                    "description": "Add parse_date to importer/dates.py, with tests, and use it in the reader.",
                    "claims": ["A1"],
                },
                {
                    "id": "F2",
                    "title": "Parse local dates",
                    "description": "Extend parse_date by day-first forms with dots, and cover them with tests.",
                    "dependencies": ["F1"],
                    "claims": ["A2"],
                },
            ],
        },
        {
            "id": "M2",
            "title": "Reporting",
            "objective": "Bad dates are reported.",
            "validation": "Import a broken file and read the report.",
            "claims": ["A4"],
            "features": [
                {
                    "id": "F3",
                    "title": "Report bad dates",
                    "description": "Collect lines whose date cannot be read and print them at the end of the run.",
                    "dependencies": ["F2"],
                    "claims": ["A3"],
                }
            ],
        },
    ],
    "validationContract": {
        "assertions": [
            {
                "id": f"A{number}",
                "category": "functional",
                "severity": severity,
                "assertion": text,
                "verification": f"Run `python -m importer samples/{number}.csv` and compare its output.",
            }
            for number, severity, text in (
                (1, "critical", "ISO dates are read."),
                (2, "major", "Day-first dates are read."),
                (3, "major", "Bad dates are listed with their lines."),
                (4, "minor", "The report ends with a count."),
            )
        ]
    },
    "skills": {"worker": "Use the standard library only.", "validatorScrutiny": "Import every sample file."},
    "budget": {"usd": 20, "runs": 30},
    "environment": {"checks": ["python -m pytest -q"]},
}


def plan_json(**changes: Any) -> dict[str, Any]:
    """A copy of the good plan with top-level fields replaced."""
    return {**copy.deepcopy(GOOD_PLAN), **changes}


def plan_document(**changes: Any) -> PlanDocument:
    return PlanDocument.model_validate(plan_json(**changes))


def mission_of(plan: PlanDocument | None = None, **fields: Any) -> Mission:
    """A planned mission of ``plan`` with some fields set."""
    plan = plan or plan_document()
    values: dict[str, Any] = {
        "id": "mission-20261123101530-a1b2c3",
        "title": plan.title,
        "status": "planned",
        "createdAt": "2026-11-23T10:00:00.000Z",
        "updatedAt": "2026-11-23T10:00:00.000Z",
        "cwd": "/home/someone/importer",
        "plan": PlanRef(version=1, blob="0" * 64),
        "milestones": [
            Milestone(
                id=m.id,
                title=m.title,
                claims=m.claims,
                userTesting=m.userTesting,
                features=[Feature(**f.model_dump()) for f in m.features],
            )
            for m in plan.milestones
        ],
    }
    return Mission(**{**values, **fields})


def run_of(kind: Any, item: str, number: int = 1, cost: int = 0, **fields: Any) -> Run:
    """A finished run of an item; its id is numbered so that runs sort."""
    name = {"worker": "worker", "validator": "validator", "recovery": "recovery"}[kind]
    return Run(
        runId=f"{1790000000000 + number}-{name}-{item}",
        kind=kind,
        validatorMode="scrutiny" if kind == "validator" else None,
        itemId=item,
        startedAt="2026-11-23T10:00:00.000Z",
        usage=Usage(inputTokens=cost, requests=1, costMicroUsd=cost),
        **fields,
    )
