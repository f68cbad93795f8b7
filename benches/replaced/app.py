"""The design that this product replaces: a page of challenges, kept in Redis as JSON."""

import json
import os
from contextlib import asynccontextmanager

import redis.asyncio as redis
from fastapi import FastAPI
from pydantic import BaseModel

KEY = "challenges:all"
cache = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


class Challenge(BaseModel):
    id: str
    difficulty: str
    title: str
    description: str
    points: int
    tips: str | None = None


class Page(BaseModel):
    challenges: list[Challenge]
    total_count: int
    cached: bool


@asynccontextmanager
async def filled(_):
    with open(os.environ["SEEDS"]) as seeds:
        await cache.set(KEY, seeds.read(), ex=3600)
    yield


app = FastAPI(lifespan=filled)


@app.get("/challenges")
async def challenges() -> Page:
    found = [Challenge(**one) for one in json.loads(await cache.get(KEY))]
    return Page(challenges=found, total_count=len(found), cached=True)
