"""Policies: the shipped ones, what may be set, and whether a policy file is right."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from allocator.policy import policy_schema, policy_toml, read_policy
from api.http.access import SeeAll
from models import CATALOGUE

router = APIRouter(prefix="/v1/policies", tags=["policies"])
MOST_CHARACTERS = 200_000


class ShippedPolicy(BaseModel):
    """A policy that ships, every parameter written out."""

    name: str
    toml: str


class PolicyDraft(BaseModel):
    """A policy file and changes to it, as on the command line."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"policy": 'base = "daily"\n', "changes": ["max_travel.car_minutes=45"]}},
    )
    policy: str = Field("", max_length=MOST_CHARACTERS, description="TOML; what it leaves out stays as shipped.")
    changes: list[str] = Field(
        default_factory=list, max_length=200, description="NAME.PARAMETER=VALUE, applied after the file."
    )


class ResolvedPolicy(BaseModel):
    """A policy as it would be run."""

    name: str
    toml: str
    goals: list[str]


@router.get("")
def list_policies(person: SeeAll) -> list[ShippedPolicy]:
    """The policies that ship."""
    return [ShippedPolicy(name=name, toml=policy_toml(policy)) for name, policy in CATALOGUE.policies.items()]


@router.get("/schema")
def get_policy_schema(person: SeeAll) -> dict[str, Any]:
    """JSON schema of every rule and goal: parameters with units, bounds and sentences."""
    return policy_schema(CATALOGUE)


@router.post("/validate")
def validate_policy(draft: PolicyDraft, person: SeeAll) -> ResolvedPolicy:
    """Read a policy without running it: the policy as resolved, or what is wrong with it."""
    policy = read_policy(CATALOGUE, draft.policy, draft.changes)
    return ResolvedPolicy(
        name=policy.name, toml=policy_toml(policy), goals=[goal.label for goal in policy.ordered_goals]
    )
