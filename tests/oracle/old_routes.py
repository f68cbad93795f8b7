"""The routes of the replaced service on the real FastAPI: `old_routes.py FORM PORT ROWS [STATE]`.

FORM is `plan`, what its plan declared, or `deployed`, what its deployed code did. ROWS is a file with the rows of the
catalog, a JSON array in the order in which they are answered. STATE is `on`, `off` (the feature flag) or `failing` (the
database). tests/it/http compares its answers with those of the product.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from typing import List, Optional

import uvicorn
from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel

DIFFICULTIES = ("beginner", "intermediate", "advanced")
INVALID_DIFFICULTY = "Invalid difficulty. Must be: beginner, intermediate, or advanced"
DISABLED = "Challenges catalog is currently disabled"
FAILED = "Failed to retrieve challenges"
NOT_INVALIDATED = "Failed to invalidate cache"


class Challenge(BaseModel):
    id: str
    difficulty: str
    title: str
    description: str
    points: int
    tips: Optional[str] = None


class ChallengesResponse(BaseModel):
    challenges: List[Challenge]
    total_count: int
    difficulty_filter: Optional[str] = None
    cached: bool = False
    cache_expiry: Optional[str] = None


def matching(rows, difficulty):
    return [row for row in rows if not difficulty or row["difficulty"] == difficulty]


def serve_plan(app, rows, state):
    @app.get("/api/challenges", response_model=ChallengesResponse)
    async def planned(
        difficulty: Optional[str] = Query(None, pattern="^(beginner|intermediate|advanced)$"),
        limit: int = Query(50, ge=1, le=100),
    ):
        if state == "off":
            raise HTTPException(status_code=503, detail=DISABLED)
        if state == "failing":
            raise HTTPException(status_code=500, detail=FAILED)
        found = matching(rows, difficulty)
        expiry = datetime.now(timezone.utc) + timedelta(minutes=10)
        return ChallengesResponse(
            challenges=[Challenge(**row) for row in found[:limit]],
            total_count=len(found),
            difficulty_filter=difficulty,
            cache_expiry=expiry.isoformat(),
        )


def serve_deployed(app, rows, state):
    @app.get("/api/challenges")
    async def deployed(difficulty: Optional[str] = None):
        if state == "off":
            raise HTTPException(status_code=503, detail=DISABLED)
        if difficulty and difficulty not in DIFFICULTIES:
            raise HTTPException(status_code=400, detail=INVALID_DIFFICULTY)
        if state == "failing":
            raise HTTPException(status_code=500, detail=FAILED)
        found = matching(rows, difficulty)
        names = ("id", "difficulty", "title", "description", "points", "created_at")
        return {
            "challenges": [{name: row[name] for name in names} for row in found],
            "count": len(found),
            "difficulty_filter": difficulty,
            "cached": False,
            "timestamp": datetime.now(timezone.utc).isoformat(),
        }


def serve_operators(app, state):
    @app.post("/api/challenges/cache/invalidate")
    async def invalidate_challenges():
        if state == "failing":
            raise HTTPException(status_code=500, detail=NOT_INVALIDATED)
        return {"success": True, "message": "Challenges cache invalidated"}

    # The plan says no more of these two than how they are asked; their answers are not compared.
    @app.post("/admin/cache/invalidate")
    async def invalidate(tag: str = "challenges"):
        return {"tag": tag}

    @app.get("/admin/cache/status")
    async def status():
        return {}


def main(form, port, rows, state="on"):
    with open(rows, encoding="utf-8") as file:
        rows = json.load(file)
    # Its pages for people are not part of what was replaced.
    app = FastAPI(openapi_url=None)
    {"plan": serve_plan, "deployed": serve_deployed}[form](app, rows, state)
    serve_operators(app, state)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
