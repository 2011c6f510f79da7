"""make soak: schemathesis over the merged OpenAPI document, as every role: no 5xx, no answer outside the schema, errors as problem+json."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fixtures.running import Api, Platform
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from isocenter.auth import Role

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
EXAMPLES = 4  # of each operation and role: about 200 operations, six roles
# Streams that only end when the client goes, and what would end the caller's own session.
LEFT_OUT = ("/events", "/api/v1/session", "/api/v1/profile/password", "/api/v1/accounts/{name}/password")


schemathesis.serializer.alias("application/toml", "text/plain")


def signed_in(platform: Platform, role: Role) -> Api:
    admin = platform.client()
    if role is Role.ADMIN:
        return admin
    made = admin.post("/accounts", {"name": f"soak-{role}".replace("_", "-"), "role": role.value, "full_name": "", "identity_permission": False})
    return platform.client(made["account"]["name"] if "account" in made else made["name"], made["password"])


@pytest.mark.parametrize("role", list(Role))
def test_merged_interface_when_asked_with_generated_requests_then_no_5xx_and_nothing_outside_the_schema(embedded: Platform, role: Role) -> None:
    api = signed_in(embedded, role)
    document = api.http.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    wrong: dict[str, str] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        if any(part in operation.path for part in LEFT_OUT):
            continue
        name = f"{operation.method.upper()} {operation.path}"

        @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
        def ask(case: Any) -> None:
            answer = case.call(base_url=embedded.url, headers=dict(api.http.headers), cookies=dict(api.http.cookies), timeout=60)
            checks = [not_a_server_error, status_code_conformance]
            if answer.content:
                checks += [content_type_conformance, response_schema_conformance]
            case.validate_response(answer, checks=checks)

        try:
            given(case=operation.as_strategy())(ask)()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a group of failures among them; every finding of the walk is shown together
            wrong[name] = repr(error)[:200] + " ".join(str(inner)[:600] for inner in getattr(error, "exceptions", ()))
    assert not wrong, "\n".join(f"{name}: {text}" for name, text in wrong.items())

