"""What Schemathesis has to be told of this service; `make check-openapi` runs it."""

import json

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
PROBLEM = {"$ref": "#/components/schemas/Problem"}

# Valid requests may be refused for what the document cannot tell: by the reason,
UNSAID_REASONS = {"REQUEST_ID_REUSED", "NO_TIPS_PROVIDER", "FLAG_OF_OTHER_ENVIRONMENT"}
# by the field that is wrong,
UNSAID_FIELDS = {
    # Opaque to callers.
    "page_token",
    "resume_token",
    # Of another database, or of another state of the thing.
    "min_version",
    "etag",
    # What the service was set to.
    "locale",
    "persona",
    # By the name of the setting.
    "value",
}
# or by the start of what is wrong with it.
UNSAID_PROBLEMS = (
    "is another one in the path",
    "is that of line",
    "must be set, because update_mask names it",
    "is in update_mask, and has no value",
    "nothing is given to be changed",
    "there are none",
    "belong to the first message only",
    "is another etag in the request",
    # By the name of the flag.
    "must be 100 or left out",
    "must not be blank",
    "must have something to see",
    "must be in Unicode normalization form C",
    "must end every change of direction",
)

# Fields that hold an enum; filled from the document.
ENUMS = set()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Says of lines and of events what they are made of, in the way that Schemathesis understands."""
    schemas = raw_schema["components"]["schemas"]
    enums = {"#/components/schemas/" + name for name, schema in schemas.items() if "enum" in schema}
    ENUMS.update(fields_of(enums, raw_schema))
    for path in raw_schema["paths"].values():
        for operation in path.values():
            body = operation.get("requestBody", {})
            in_lines(body, lambda message: message)
            for response in operation["responses"].values():
                in_lines(response, lambda message: {"anyOf": [message, failed()]})
                if EVENTS in response.get("content", {}):
                    media = response["content"][EVENTS]
                    media["schema"] = event(media["schema"]["contentSchema"])


def fields_of(references, schema):
    """The names of the properties, anywhere in it, that are one of these references."""
    if isinstance(schema, list):
        for inner in schema:
            yield from fields_of(references, inner)
    if isinstance(schema, dict):
        for name, inner in schema.items():
            if isinstance(inner, dict) and inner.get("$ref") in references:
                yield name
            yield from fields_of(references, inner)


def in_lines(holder, line):
    if LINES in holder.get("content", {}):
        media = holder["content"][LINES]
        media["schema"] = {"type": "array", "items": line(media["schema"]["contentSchema"])}


def failed():
    """The last line, where something went wrong behind the first one."""
    return {
        "type": "object",
        "required": ["error"],
        "properties": {"error": PROBLEM},
        "additionalProperties": False,
    }


def event(message):
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": [message, PROBLEM]},
    }
    return {"type": "object", "required": ["event", "data"], "properties": {"data": data}}


@schemathesis.serializer(LINES)
def to_lines(context, value):
    if isinstance(value, bytes):
        return value
    rows = value if isinstance(value, list) else [value]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@schemathesis.deserializer(LINES)
def from_lines(context, response):
    return [json.loads(line) for line in response.content.decode().splitlines() if line]


@schemathesis.check
def what_the_document_allows_is_taken(context, response, case):
    """Fails when a valid request is refused for a reason that the document could have told."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_valid or response.status_code not in (400, 422):
        return
    # The tool counts an empty header as valid, whatever its schema says.
    if any(value == "" for name, value in (case.headers or {}).items() if name.lower() == "if-match"):
        return
    problem = response.json()
    violations = problem.get("violations", [])
    if problem.get("reason") in UNSAID_REASONS or (violations and all(map(is_unsaid, violations))):
        return
    raise AssertionError(f"a valid request is refused: {problem}")


@schemathesis.check
def what_the_document_forbids_is_refused(context, response, case):
    """Fails when an invalid request is taken, unless it is another spelling of a valid one."""
    if not is_spelled_otherwise(case.body):
        return negative_data_rejection(context, response, case)
    return None


def is_spelled_otherwise(body):
    """Whether it has what the mapping of JSON allows and the schemas do not have, for they would be hard to read: null
    for what is not there, texts for numbers, numbers for enums."""
    if isinstance(body, dict):
        by_number = (name in ENUMS and isinstance(value, int) for name, value in body.items())
        return any(by_number) or any(map(is_spelled_otherwise, body.values()))
    if isinstance(body, list):
        return any(map(is_spelled_otherwise, body))
    if isinstance(body, str):
        return body.removeprefix("-").isdigit()
    return body is None


def is_unsaid(violation):
    field = violation["field"].rsplit(".", 1)[-1]
    return field in UNSAID_FIELDS or violation["problem"].startswith(UNSAID_PROBLEMS)
